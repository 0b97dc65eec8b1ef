// SPDX-License-Identifier: Apache-2.0
#include "server/calls/predict.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/contract/delta.h"
#include "server/sessions/rejection.h"
#include "server/sessions/sample_decoder.h"
#include "server/sessions/session.h"
#include "server/sessions/worker.h"

namespace backprop {
namespace {

// Protobuf's messages end at 2 GiB.
constexpr size_t kLargestAnswer = size_t{1} << 30;

// One request on its way. Only within turns of the session's lane with nothing
// of that lane between them, so that all rows meet the same weights.
class RowPredictor {
 public:
  // request and response must outlive the object. most_bytes: of the answer; a
  // single row may have more.
  RowPredictor(std::shared_ptr<Session> session,
               const v1::PredictRequest& request, size_t most_bytes,
               v1::PredictResponse* response)
      : session_(std::move(session)),
        request_(request),
        most_bytes_(most_bytes),
        response_(*response) {}

  // What the answer takes at most; any thread, before the first turn.
  size_t answer_bytes() const;

  // Does a turn's worth of rows. Call until it returns a status:
  // INVALID_REQUEST if the request is at fault, NOT_READY, NON_FINITE_OUTPUT,
  // else OK.
  std::optional<absl::Status> Next(Worker& worker);

 private:
  // Sets rows_ and makes room for their outputs.
  absl::Status Check();
  absl::Status CheckValues();
  // Of the rows from next_ on.
  absl::Status CheckOutputs(std::span<const float> outputs) const;

  const std::shared_ptr<Session> session_;
  const v1::PredictRequest& request_;
  const size_t most_bytes_;
  v1::PredictResponse& response_;
  std::shared_ptr<const SessionSpec> spec_;  // of the first turn
  size_t rows_ = 0;                          // 0: not checked yet
  size_t next_ = 0;                          // first row without outputs
};

absl::Status RowPredictor::CheckValues() {
  const size_t count = static_cast<size_t>(request_.values_size());
  const size_t row = session_->layout().input_size();
  if (count % row != 0) {
    return InvalidField("values", absl::StrCat("holds ", count,
                                               " numbers, no multiple of a "
                                               "row's ",
                                               row));
  }
  rows_ = count / row;
  return CheckFinite("values", {request_.values().data(), count});
}

absl::Status RowPredictor::Check() {
  if (request_.inputs().empty() == request_.values().empty()) {
    return InvalidField("inputs", "set exactly one of inputs and values");
  }
  if (request_.inputs().empty()) {
    absl::Status status = CheckValues();
    if (!status.ok()) return status;
  } else {
    const auto rows = CheckInputs(*spec_, "inputs", request_.inputs());
    if (!rows.ok()) return rows.status();
    rows_ = *rows;
  }
  const size_t row_bytes = session_->layout().output_size() * sizeof(float);
  const size_t most =
      std::max<size_t>(1, std::min(most_bytes_, kLargestAnswer) / row_bytes);
  if (rows_ > most) {
    return InvalidField(request_.inputs().empty() ? "values" : "inputs",
                        absl::StrCat("holds ", rows_,
                                     " rows, whose outputs are too many for "
                                     "one answer: ask for at most ",
                                     most, " at once"));
  }
  response_.mutable_outputs()->Resize(
      static_cast<int>(rows_ * session_->layout().output_size()), 0);
  return absl::OkStatus();
}

absl::Status RowPredictor::CheckOutputs(std::span<const float> outputs) const {
  const auto bad = std::find_if(outputs.begin(), outputs.end(),
                                [](float y) { return !std::isfinite(y); });
  if (bad == outputs.end()) return absl::OkStatus();
  const auto position = static_cast<size_t>(bad - outputs.begin());
  const size_t size = session_->layout().output_size();
  return FieldRejection(
      kNonFiniteOutput, request_.inputs().empty() ? "values" : "inputs",
      absl::StrCat("row ", next_ + position / size, ": output ",
                   position % size, " is ", *bad, ", as the inputs are too ",
                   "large for these weights in float32: scale them down, or go "
                   "back to smaller weights"));
}

size_t RowPredictor::answer_bytes() const {
  constexpr size_t kOtherBytes = 64;
  const size_t columns = session_->layout().input_size();
  const size_t element = ElementSize(session_->spec()->input.element_type);
  const size_t rows = std::max(request_.inputs().size() / element,
                               static_cast<size_t>(request_.values_size())) /
                      columns;
  const size_t row_bytes = session_->layout().output_size() * sizeof(float);
  // More than that is refused.
  const size_t most =
      std::max(std::min(most_bytes_, kLargestAnswer), row_bytes);
  return kOtherBytes + std::min(rows, most / row_bytes) * row_bytes;
}

std::optional<absl::Status> RowPredictor::Next(Worker& worker) {
  if (rows_ == 0) {
    spec_ = session_->in_turn().spec;
    absl::Status status = CheckReady(*spec_);
    if (status.ok()) status = Check();
    if (!status.ok()) return status;
    response_.set_step(session_->in_turn().progress.step);
  }
  const Layout& layout = session_->layout();
  const size_t count = std::min(RowsInTurn(layout), rows_ - next_);
  const auto inputs = Grown(worker.inputs, count * layout.input_size());
  if (request_.inputs().empty()) {
    const float* begin = request_.values().data() + next_ * layout.input_size();
    std::copy(begin, begin + inputs.size(), inputs.begin());
    FlushSmall(inputs);
  } else {
    DecodeInputs(*spec_, request_.inputs(), next_, count,
                 {inputs.data(), layout.input_size()});
  }
  const std::span<float> outputs(response_.mutable_outputs()->mutable_data() +
                                     next_ * layout.output_size(),
                                 count * layout.output_size());
  worker.predictor.Predict(spec_->network, layout, session_->weights(), inputs,
                           outputs);
  if (absl::Status status = CheckOutputs(outputs); !status.ok()) return status;
  next_ += count;
  if (next_ < rows_) return std::nullopt;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Work> PlanPredict(ServiceContext& context,
                                 const v1::PredictRequest& request,
                                 v1::PredictResponse* response) {
  auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  const auto predictor = std::make_shared<RowPredictor>(
      *session, request, context.options.max_message_bytes, response);
  return Work{(*session)->lane(), predictor->answer_bytes(),
              [predictor](Worker& worker) { return predictor->Next(worker); },
              "inputs"};
}

}  // namespace backprop
