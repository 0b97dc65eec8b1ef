// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/replica.h"

#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cpp/session_layout.h"
#include "engine/delta.h"
#include "engine/digest.h"

namespace backprop {

static_assert(std::endian::native == std::endian::little,
              "weights and deltas travel little-endian and are copied as such");

absl::StatusOr<Replica> Replica::Create(const v1::Session& session,
                                        Weights anchor) {
  // The anchor has arrived already: its size bounds what a layout may ask for.
  absl::StatusOr<Layout> layout =
      LayoutOf(session.spec(), session.layout(), anchor.values.size());
  if (!layout.ok()) return layout.status();
  absl::StatusOr<InputFormat> format = InputFormatOf(session.spec());
  if (!format.ok()) return format.status();
  if (layout->weight_count() != anchor.values.size())
    return absl::InvalidArgumentError(absl::StrFormat(
        "the anchor has %d weights, the session %d: take both from one session",
        anchor.values.size(), layout->weight_count()));
  return Replica(*std::move(layout), *format, std::move(anchor));
}

Replica::Replica(Layout layout, InputFormat format, Weights anchor)
    : layout_(std::move(layout)),
      format_(format),
      step_(anchor.step),
      weights_(std::move(anchor.values)),
      row_(layout_.delta_row_length()) {}

bool Replica::NeedsInputs() const {
  return layout_.layers().front().form == DeltaForm::kFactored;
}

size_t Replica::InputBytesPerStep() const {
  return layout_.batch_size() * layout_.input_size() *
         ElementSize(format_.element_type);
}

// Divides rather than multiplies: the server's step numbers may be anything.
absl::Status Replica::Check(const v1::TrainResponse& response,
                            std::string_view inputs) const {
  if (!sound_)
    return absl::FailedPreconditionError(
        "the replica is unsound since a digest differed: restart it from an "
        "anchor");
  if (response.base_step() != step_)
    return absl::FailedPreconditionError(absl::StrFormat(
        "the replica is at step %d, the deltas start from step %d: restart it "
        "from an anchor",
        step_, response.base_step()));
  if (response.step() < step_)
    return absl::InvalidArgumentError(
        absl::StrFormat("the response goes back from step %d to step %d", step_,
                        response.step()));
  const uint64_t steps = response.step() - step_;
  const size_t row_bytes = row_.size() * sizeof(float);
  const std::string& deltas = response.deltas();
  if (deltas.size() % row_bytes != 0 || deltas.size() / row_bytes != steps)
    return absl::InvalidArgumentError(absl::StrFormat(
        "the response has %d bytes of deltas, %d steps take %d bytes each",
        deltas.size(), steps, row_bytes));
  if (NeedsInputs() && (inputs.size() % InputBytesPerStep() != 0 ||
                        inputs.size() / InputBytesPerStep() != steps))
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d bytes of inputs were given, %d steps take %d bytes each",
        inputs.size(), steps, InputBytesPerStep()));
  uint64_t last = 0;
  for (const v1::StepDigest& digest : response.digests()) {
    if (digest.step() < step_ || digest.step() > response.step() ||
        (last != 0 && digest.step() <= last))
      return absl::InvalidArgumentError(
          absl::StrFormat("a digest of step %d stands among steps %d to %d",
                          digest.step(), step_, response.step()));
    last = digest.step();
  }
  return absl::OkStatus();
}

absl::Status Replica::Apply(const v1::TrainResponse& response,
                            std::string_view inputs) {
  absl::Status status = Check(response, inputs);
  if (!status.ok()) return status;
  const size_t steps = response.step() - step_;
  const size_t row_inputs =
      NeedsInputs() ? layout_.batch_size() * layout_.input_size() : 0;
  inputs_.resize(steps * row_inputs);
  if (NeedsInputs() && !ConvertInputs(format_, inputs, inputs_))
    return absl::InvalidArgumentError("an input is not a finite number");

  auto digest = response.digests().begin();
  for (size_t i = 0;; ++i) {
    if (digest != response.digests().end() && digest->step() == step_) {
      if (digest->digest() != this->digest()) {
        sound_ = false;
        return absl::DataLossError(absl::StrFormat(
            "after step %d the replica's digest is %016x, the server's is "
            "%016x: restart it from an anchor",
            step_, this->digest(), digest->digest()));
      }
      ++digest;
    }
    if (i == steps) break;
    std::memcpy(row_.data(),
                response.deltas().data() + i * row_.size() * sizeof(float),
                row_.size() * sizeof(float));
    ApplyDelta(layout_, row_,
               std::span(inputs_).subspan(i * row_inputs, row_inputs),
               weights_);
    ++step_;
  }
  return absl::OkStatus();
}

absl::Status Replica::Restart(Weights anchor) {
  if (anchor.values.size() != weights_.size())
    return absl::InvalidArgumentError(absl::StrFormat(
        "the anchor has %d weights, the replica %d: they are of two sessions",
        anchor.values.size(), weights_.size()));
  weights_ = std::move(anchor.values);
  step_ = anchor.step;
  sound_ = true;
  return absl::OkStatus();
}

uint64_t Replica::digest() const { return Digest(weights_); }

}  // namespace backprop
