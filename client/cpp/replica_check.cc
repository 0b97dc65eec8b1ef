// SPDX-License-Identifier: Apache-2.0
//
// What a replica refuses, and how it compares itself with an anchor: the half
// of Replica that changes nothing. The server's numbers may be anything, so
// lengths are compared by division, which cannot overflow.
#include <bit>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "client/cpp/replica.h"
#include "client/cpp/replica_delivery.h"

namespace backprop {
namespace {

// Whether `bytes` are `rows` rows of `row_bytes` each.
bool AreRows(size_t bytes, size_t row_bytes, uint64_t rows) {
  return bytes % row_bytes == 0 && bytes / row_bytes == rows;
}

// The first place where two arrays of equal length differ in any bit.
std::optional<size_t> FirstDifference(std::span<const float> a,
                                      std::span<const float> b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) {
      return i;
    }
  }
  return std::nullopt;
}

}  // namespace

bool Replica::NeedsInputs(const ReplicaDelivery& delivery) const {
  return !delivery.dense && delivery.steps() > 0 &&
         layout_.layers().front().form == DeltaForm::kFactored;
}

size_t Replica::ElementsPerStep() const {
  return layout_.batch_size() * layout_.input_size();
}

absl::Status Replica::CheckAnchor(const Anchor& anchor) const {
  if (anchor.weights.size() != layout_.weight_count()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the anchor has %d weights, the session %d: take both from one session",
        anchor.weights.size(), layout_.weight_count()));
  }
  if (!needs_state_) return absl::OkStatus();
  const size_t expected = layout_.state_count() * layout_.weight_count();
  if (anchor.state.size() == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      anchor.state.empty()
          ? "the session's optimiser has state, the anchor has none: download "
            "the weights with state"
          : absl::StrFormat("the anchor has %d numbers of state, the session's "
                            "optimiser %d: take both from one session",
                            anchor.state.size(), expected));
}

absl::Status Replica::Check(const ReplicaDelivery& delivery) const {
  absl::Status status = CheckPlace(delivery);
  if (status.ok()) status = CheckDeltas(delivery);
  if (status.ok()) status = CheckInputs(delivery);
  if (status.ok()) status = CheckDigests(delivery);
  return status;
}

absl::Status Replica::CheckPlace(const ReplicaDelivery& delivery) const {
  if (!sound_) {
    return absl::FailedPreconditionError(
        "the replica is unsound since a digest differed: restart it from an "
        "anchor");
  }
  if (delivery.base_step != step_) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the replica is at step %d, the deltas start from step %d: restart it "
        "from an anchor",
        step_, delivery.base_step));
  }
  if (delivery.step < step_) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the response goes back from step %d to step %d", step_,
                        delivery.step));
  }
  if (!delivery.dense && needs_state_ && !state_current_ &&
      delivery.steps() > 0) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "factors cannot be followed from step %d: the deltas before it came as "
        "DENSE, which leaves the optimiser's state behind; restart the replica "
        "from an anchor with state",
        step_));
  }
  return absl::OkStatus();
}

absl::Status Replica::CheckDeltas(const ReplicaDelivery& delivery) const {
  const size_t row_bytes =
      (delivery.dense ? dense_layout_ : layout_).delta_row_length() *
      sizeof(float);
  const uint64_t steps = delivery.steps();
  if (!AreRows(delivery.deltas.size(), row_bytes, steps)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the response has %d bytes of deltas, %d steps take %d bytes each%s",
        delivery.deltas.size(), steps, row_bytes,
        delivery.deltas.empty() ? "; was the stream opened without deltas?"
                                : ""));
  }
  // Scalars are read for factors only.
  if (delivery.dense || scalar_count_ == 0 || steps == 0) {
    return absl::OkStatus();
  }
  const size_t scalar_bytes = scalar_count_ * sizeof(float);
  if (AreRows(delivery.scalars.size(), scalar_bytes, 1) ||
      AreRows(delivery.scalars.size(), scalar_bytes, steps)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "the response has %d bytes of scalars, %d steps take one row of %d bytes "
      "or one each",
      delivery.scalars.size(), steps, scalar_bytes));
}

absl::Status Replica::CheckInputs(const ReplicaDelivery& delivery) const {
  if (!NeedsInputs(delivery)) return absl::OkStatus();
  const size_t bytes =
      ElementsPerStep() * (delivery.inputs_are_values
                               ? sizeof(float)
                               : ElementSize(format_.element_type));
  if (!AreRows(delivery.inputs.size(), bytes, delivery.steps())) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d bytes of inputs were given, %d steps take %d bytes each",
        delivery.inputs.size(), delivery.steps(), bytes));
  }
  if (learns_standardisation_ && format_.mean.empty() &&
      delivery.standardisation == nullptr && !delivery.inputs_are_values) {
    return absl::FailedPreconditionError(
        "the session standardises its inputs, and the response that said how "
        "was missed: restart the replica from an anchor");
  }
  return absl::OkStatus();
}

absl::Status Replica::CheckDigests(const ReplicaDelivery& delivery) const {
  uint64_t last = 0;
  for (const v1::StepDigest& digest : *delivery.digests) {
    if (digest.step() < step_ || digest.step() > delivery.step ||
        (last != 0 && digest.step() <= last)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("a digest of step %d stands among steps %d to %d",
                          digest.step(), step_, delivery.step));
    }
    last = digest.step();
  }
  return absl::OkStatus();
}

std::string Replica::PlaceOf(size_t number) const {
  size_t k = 0;
  while (k + 1 < layout_.layers().size() &&
         layout_.layers()[k + 1].weights_begin <= number) {
    ++k;
  }
  const LayerLayout& layer = layout_.layers()[k];
  if (number >= layer.bias_begin) {
    return absl::StrFormat("layers[%d].bias[%d]", k, number - layer.bias_begin);
  }
  const size_t at = number - layer.weights_begin;
  return absl::StrFormat("layers[%d].weights[%d][%d]", k, at / layer.inputs,
                         at % layer.inputs);
}

absl::Status Replica::Verify(const Anchor& anchor) const {
  if (anchor.weights.size() != weights_.size()) return CheckAnchor(anchor);
  if (anchor.step != step_) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the replica is at step %d, the anchor is of step %d: compare them at "
        "the same step",
        step_, anchor.step));
  }
  if (const auto at = FirstDifference(weights_, anchor.weights)) {
    return absl::DataLossError(absl::StrFormat(
        "after step %d the replica differs, first in %s: %.9g here, %.9g on "
        "the server",
        step_, PlaceOf(*at), weights_[*at], anchor.weights[*at]));
  }
  return VerifyState(anchor);
}

// Of DENSE layers a replica keeps no state.
absl::Status Replica::VerifyState(const Anchor& anchor) const {
  if (!needs_state_ || !state_current_ ||
      anchor.state.size() != state_.size()) {
    return absl::OkStatus();
  }
  const size_t count = layout_.weight_count();
  for (size_t vector = 0; vector < state_.size() / count; ++vector) {
    for (const LayerLayout& layer : layout_.layers()) {
      if (layer.form == DeltaForm::kDense) continue;
      const size_t begin = vector * count + layer.weights_begin;
      const size_t length = layer.outputs * (layer.inputs + 1);
      const auto at =
          FirstDifference(std::span(state_).subspan(begin, length),
                          std::span(anchor.state).subspan(begin, length));
      if (!at.has_value()) continue;
      return absl::DataLossError(absl::StrFormat(
          "after step %d the replica's state %d differs, first in %s: %.9g "
          "here, %.9g on the server",
          step_, vector, PlaceOf(layer.weights_begin + *at),
          state_[begin + *at], anchor.state[begin + *at]));
    }
  }
  return absl::OkStatus();
}

}  // namespace backprop
