// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/anchor_download.h"

#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "engine/contract/digest.h"
#include "engine/contract/rules.h"

namespace backprop {
namespace {

bool SaysMore(const google::protobuf::Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

}  // namespace

absl::Status AnchorDownload::CheckFollows(
    const v1::GetWeightsResponse& chunk) const {
  const size_t have = anchor_.weights.size();
  const size_t count = chunk.weights().size() / sizeof(float);
  // What may still come; divided, because weight_count may be anything.
  const uint64_t vectors = with_state_ ? 1 + kMostStates : 1;
  const bool fits = have + count <= weight_count_ ||
                    (have + count - 1) / vectors < weight_count_;
  if (chunk.step() == anchor_.step && chunk.digest() == anchor_.digest &&
      chunk.weight_count() == weight_count_ && chunk.first_weight() == have &&
      chunk.weights().size() % sizeof(float) == 0 && fits) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrFormat(
      "the chunk of %d bytes at weight %d of step %d does not follow on weight "
      "%d of step %d",
      chunk.weights().size(), chunk.first_weight(), chunk.step(), have,
      anchor_.step));
}

absl::Status AnchorDownload::Add(const v1::GetWeightsResponse& chunk) {
  if (!begun_) {
    begun_ = true;
    weight_count_ = chunk.weight_count();
    anchor_.step = chunk.step();
    anchor_.next_offset = chunk.next_offset();
    anchor_.digest = chunk.digest();
    anchor_.spec = chunk.spec();
    anchor_.continuation = chunk.continuation();
    const v1::Standardisation& standardisation = chunk.standardisation();
    anchor_.mean.assign(standardisation.mean().begin(),
                        standardisation.mean().end());
    anchor_.factor.assign(standardisation.factor().begin(),
                          standardisation.factor().end());
  }
  anchor_.has_more =
      anchor_.has_more || SaysMore(chunk) || SaysMore(chunk.standardisation());
  absl::Status status = CheckFollows(chunk);
  if (!status.ok()) return status;
  // Grows by what arrived, never by what weight_count promises.
  const size_t have = anchor_.weights.size();
  anchor_.weights.resize(have + chunk.weights().size() / sizeof(float));
  std::memcpy(anchor_.weights.data() + have, chunk.weights().data(),
              chunk.weights().size());
  return absl::OkStatus();
}

absl::StatusOr<Anchor> AnchorDownload::Finish() && {
  std::vector<float>& values = anchor_.weights;
  if (values.empty() || values.size() % weight_count_ != 0) {
    return absl::DataLossError(
        absl::StrFormat("%d numbers arrived of weights that are %d",
                        values.size(), weight_count_));
  }
  const auto state = values.begin() + static_cast<ptrdiff_t>(weight_count_);
  anchor_.state.assign(state, values.end());
  values.erase(state, values.end());
  if (Digest(values) != anchor_.digest) {
    return absl::DataLossError(absl::StrFormat(
        "the weights' digest is %016x, the server's is %016x: download again",
        Digest(values), anchor_.digest));
  }
  return std::move(anchor_);
}

}  // namespace backprop
