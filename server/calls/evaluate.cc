// SPDX-License-Identifier: Apache-2.0
#include "server/calls/evaluate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/sessions/sample_decoder.h"
#include "server/sessions/worker.h"

namespace backprop {
namespace {

SampleBytes Samples(const v1::EvaluateRequest& request) {
  return {
      request.inputs(),
      request.targets(),
      {request.classes().data(), static_cast<size_t>(request.classes_size())},
      {}};
}

}  // namespace

void SampleEvaluator::Begin(const v1::EvaluateRequest* request) {
  request_ = request;
  count_ = next_ = 0;
}

absl::Status SampleEvaluator::Check() {
  spec_ = session_->in_turn().spec;
  if (absl::Status status = CheckReady(*spec_); !status.ok()) return status;
  const auto count = CheckSamples(*spec_, Samples(*request_));
  if (!count.ok()) return count.status();
  count_ = *count;
  last_step_ = session_->in_turn().progress.step;
  if (total_.samples == 0) first_step_ = last_step_;
  return absl::OkStatus();
}

std::optional<absl::Status> SampleEvaluator::Next(Worker& worker) {
  if (count_ == 0) {
    absl::Status status = Check();
    if (!status.ok()) return status;
  }
  const Layout& layout = session_->layout();
  const size_t count = std::min(RowsInTurn(layout), count_ - next_);
  const auto inputs = Grown(worker.inputs, count * layout.input_size());
  const auto targets = Grown(worker.targets, count * layout.output_size());
  DecodeInputs(*spec_, request_->inputs(), next_, count,
               {inputs.data(), layout.input_size()});
  DecodeTargets(*spec_, Samples(*request_), next_, count, targets);
  const Evaluation part = worker.predictor.Evaluate(
      spec_->network, layout, session_->weights(), inputs, targets);
  total_.samples += part.samples;
  total_.error_sum += part.error_sum;
  total_.plain_error_sum += part.plain_error_sum;
  total_.correct += part.correct;
  if (part.non_finite.has_value()) {
    return FieldRejection(
        kNonFiniteOutput, "inputs",
        absl::StrCat("row ", next_ + *part.non_finite, " (sample ",
                     total_.samples,
                     " of the call): its outputs or its error are NaN or "
                     "infinite, as the inputs are too large for these weights "
                     "in float32: scale them down, or go back to smaller "
                     "weights"));
  }
  next_ += count;
  if (next_ < count_) return std::nullopt;
  return absl::OkStatus();
}

absl::Status SampleEvaluator::Finish(v1::EvaluateResponse* response) const {
  if (total_.samples == 0) {
    return InvalidField("inputs", "the stream ended without a sample");
  }
  const auto samples = static_cast<double>(total_.samples);
  response->set_samples(total_.samples);
  response->set_error(total_.error_sum / samples);
  response->set_plain_error(total_.plain_error_sum / samples);
  response->set_accuracy(static_cast<double>(total_.correct) / samples);
  response->set_first_step(first_step_);
  response->set_last_step(last_step_);
  return absl::OkStatus();
}

}  // namespace backprop
