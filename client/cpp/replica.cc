// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/replica.h"

#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cpp/replica_delivery.h"
#include "client/cpp/session_layout.h"
#include "engine/contract/digest.h"

namespace backprop {
namespace {

static_assert(std::endian::native == std::endian::little,
              "weights and deltas travel little-endian and are copied as such");

// Rows from number `first` on, `length` numbers each, of what travels as bytes.
void CopyRows(std::string_view bytes, size_t first, size_t length,
              std::span<float> rows) {
  std::memcpy(rows.data(), bytes.data() + first * length * sizeof(float),
              rows.size_bytes());
}

absl::StatusOr<Layout> DenseTwin(const Layout& layout) {
  std::vector<size_t> sizes;
  for (const LayerLayout& layer : layout.layers()) {
    sizes.push_back(layer.outputs);
  }
  const std::vector<DeltaForm> forms(sizes.size(), DeltaForm::kDense);
  return Layout::Create(layout.input_size(), sizes, layout.batch_size(),
                        layout.weight_count(), forms);
}

}  // namespace

absl::StatusOr<Replica> Replica::Create(const v1::Session& session,
                                        Anchor anchor) {
  // The anchor has arrived already: its size bounds what a layout may ask for.
  absl::StatusOr<Layout> layout =
      LayoutOf(session.spec(), session.layout(), anchor.weights.size());
  if (!layout.ok()) return layout.status();
  absl::StatusOr<Layout> dense = DenseTwin(*layout);
  if (!dense.ok()) return dense.status();
  absl::StatusOr<InputFormat> format = InputFormatOf(session.spec());
  if (!format.ok()) return format.status();
  Replica replica(*std::move(layout), *std::move(dense), *std::move(format),
                  session.spec().input().has_standardisation());
  absl::Status status = replica.Restart(std::move(anchor));
  if (!status.ok()) return status;
  return replica;
}

Replica::Replica(Layout layout, Layout dense_layout, InputFormat format,
                 bool learns_standardisation)
    : layout_(std::move(layout)),
      dense_layout_(std::move(dense_layout)),
      scalar_count_(layout_.scalar_count()),
      all_dense_(layout_.layers() == dense_layout_.layers()),
      needs_state_(!all_dense_ && layout_.state_count() > 0),
      learns_standardisation_(learns_standardisation),
      format_(std::move(format)),
      scalars_(scalar_count_) {}

absl::Status Replica::Restart(Anchor anchor) {
  absl::Status status = CheckAnchor(anchor);
  if (status.ok() && !anchor.mean.empty()) {
    status = SetStandardisation(anchor.mean, anchor.factor,
                                layout_.input_size(), &format_);
  }
  if (!status.ok()) return status;
  step_ = anchor.step;
  weights_ = std::move(anchor.weights);
  state_ = std::move(anchor.state);
  state_current_ = true;
  sound_ = true;
  return absl::OkStatus();
}

absl::Status Replica::Apply(const v1::TrainResponse& response,
                            std::string_view inputs, v1::DeltaDetail detail) {
  if (detail == v1::DELTA_DETAIL_NONE &&
      response.step() != response.base_step()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the stream was opened without deltas (DELTA_DETAIL_NONE): steps %d to "
        "%d cannot be followed; open it with FACTORS and restart from an "
        "anchor",
        response.base_step() + 1, response.step()));
  }
  return Apply(
      ReplicaDelivery{.base_step = response.base_step(),
                      .step = response.step(),
                      .dense = all_dense_ || detail == v1::DELTA_DETAIL_DENSE,
                      .deltas = response.deltas(),
                      .scalars = response.scalars(),
                      .inputs = inputs,
                      .digests = &response.digests(),
                      .standardisation = response.has_standardisation()
                                             ? &response.standardisation()
                                             : nullptr});
}

absl::Status Replica::Apply(const v1::WatchDeltasResponse& response) {
  if (response.resync()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the server no longer holds the deltas between step %d and its present "
        "step %d: watch with anchors, and restart the replica from one",
        response.base_step(), response.step()));
  }
  if (response.session_deleted() || response.goodbye() ||
      response.has_anchor()) {
    return absl::OkStatus();
  }
  return Apply(
      ReplicaDelivery{.base_step = response.base_step(),
                      .step = response.step(),
                      .dense = all_dense_,
                      .deltas = response.deltas(),
                      .scalars = response.scalars(),
                      .inputs = response.inputs(),
                      .inputs_are_values = response.inputs_are_values(),
                      .digests = &response.digests(),
                      .standardisation = response.has_standardisation()
                                             ? &response.standardisation()
                                             : nullptr});
}

absl::Status Replica::ConvertInputRows(const ReplicaDelivery& delivery,
                                       const InputFormat& format) {
  inputs_.resize(delivery.steps() * ElementsPerStep());
  return ConvertInputs(delivery.inputs_are_values ? InputFormat() : format,
                       delivery.inputs, inputs_)
             ? absl::OkStatus()
             : absl::InvalidArgumentError("an input is not a finite number");
}

void Replica::ApplySteps(const ReplicaDelivery& delivery, size_t first,
                         size_t count) {
  const Layout& layout = delivery.dense ? dense_layout_ : layout_;
  const size_t row = layout.delta_row_length();
  rows_.resize(count * row);
  CopyRows(delivery.deltas, first, row, rows_);
  if (delivery.dense) {
    ApplyDeltas(
        layout,
        {.number = step_ + 1, .row = rows_, .inputs = {}, .scalars = {}}, count,
        weights_, {});
    return;
  }
  scalars_.resize(count * scalar_count_);
  // A single row of scalars holds for all steps.
  const bool one = delivery.scalars.size() == scalar_count_ * sizeof(float);
  for (size_t t = 0; t < count && scalar_count_ > 0; ++t) {
    CopyRows(delivery.scalars, one ? 0 : first + t, scalar_count_,
             std::span(scalars_).subspan(t * scalar_count_, scalar_count_));
  }
  std::span<const float> inputs;
  if (NeedsInputs(delivery)) {
    inputs = std::span(inputs_).subspan(first * ElementsPerStep(),
                                        count * ElementsPerStep());
  }
  ApplyDeltas(layout,
              {.number = step_ + 1,
               .row = rows_,
               .inputs = inputs,
               .scalars = scalars_},
              count, weights_, state_);
}

absl::Status Replica::CheckDigest(uint64_t expected) {
  if (digest() == expected) return absl::OkStatus();
  sound_ = false;
  return absl::DataLossError(absl::StrFormat(
      "after step %d the replica's digest is %016x, the server's is %016x: "
      "restart it from an anchor",
      step_, digest(), expected));
}

absl::Status Replica::Apply(const ReplicaDelivery& delivery) {
  absl::Status status = Check(delivery);
  if (!status.ok()) return status;
  if (delivery.standardisation != nullptr) {
    InputFormat learnt = format_;
    status = SetStandardisation(*delivery.standardisation, layout_.input_size(),
                                &learnt);
    if (status.ok() && NeedsInputs(delivery)) {
      status = ConvertInputRows(delivery, learnt);
    }
    if (!status.ok()) return status;
    format_ = std::move(learnt);
  } else if (NeedsInputs(delivery)) {
    status = ConvertInputRows(delivery, format_);
    if (!status.ok()) return status;
  }
  const size_t steps = delivery.steps();
  if (delivery.dense && steps > 0) state_current_ = false;
  // In runs that end where a digest has to be compared.
  auto digest = delivery.digests->begin();
  size_t done = 0;
  while (true) {
    if (digest != delivery.digests->end() && digest->step() == step_) {
      status = CheckDigest(digest->digest());
      if (!status.ok()) return status;
      ++digest;
      continue;
    }
    if (done == steps) return absl::OkStatus();
    const size_t next = digest == delivery.digests->end()
                            ? steps
                            : digest->step() - delivery.base_step;
    ApplySteps(delivery, done, next - done);
    step_ += next - done;
    done = next;
  }
}

uint64_t Replica::digest() const { return Digest(weights_); }

}  // namespace backprop
