// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/anchor_download.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "engine/contract/digest.h"

namespace backprop {
namespace {

constexpr uint64_t kMostStates = 2;

}  // namespace

absl::Status WeightsDownload::CheckFollows(
    const v1::GetWeightsResponse& chunk) const {
  const size_t have = weights_.values.size();
  const size_t count = chunk.weights().size() / sizeof(float);
  // What may still come; divided, because weight_count may be anything.
  const uint64_t vectors = with_state_ ? 1 + kMostStates : 1;
  const bool fits = have + count <= weight_count_ ||
                    (have + count - 1) / vectors < weight_count_;
  if (chunk.step() == weights_.step && chunk.digest() == weights_.digest &&
      chunk.weight_count() == weight_count_ && chunk.first_weight() == have &&
      chunk.weights().size() % sizeof(float) == 0 && fits)
    return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat(
      "the chunk of %d bytes at weight %d of step %d does not follow on weight "
      "%d of step %d",
      chunk.weights().size(), chunk.first_weight(), chunk.step(), have,
      weights_.step));
}

absl::Status WeightsDownload::Add(const v1::GetWeightsResponse& chunk) {
  if (!begun_) {
    begun_ = true;
    weight_count_ = chunk.weight_count();
    weights_.step = chunk.step();
    weights_.next_offset = chunk.next_offset();
    weights_.digest = chunk.digest();
    weights_.spec = chunk.spec();
    weights_.continuation = chunk.continuation();
    const v1::Standardisation& standardisation = chunk.standardisation();
    weights_.mean.assign(standardisation.mean().begin(),
                         standardisation.mean().end());
    weights_.factor.assign(standardisation.factor().begin(),
                           standardisation.factor().end());
  }
  absl::Status status = CheckFollows(chunk);
  if (!status.ok()) return status;
  // Grows by what arrived, never by what weight_count promises.
  const size_t have = weights_.values.size();
  weights_.values.resize(have + chunk.weights().size() / sizeof(float));
  std::memcpy(weights_.values.data() + have, chunk.weights().data(),
              chunk.weights().size());
  return absl::OkStatus();
}

absl::StatusOr<Weights> WeightsDownload::Finish() && {
  std::vector<float>& values = weights_.values;
  if (values.empty() || values.size() % weight_count_ != 0)
    return absl::DataLossError(
        absl::StrFormat("%d numbers arrived of weights that are %d",
                        values.size(), weight_count_));
  const auto state = values.begin() + static_cast<ptrdiff_t>(weight_count_);
  weights_.state.assign(state, values.end());
  values.erase(state, values.end());
  if (Digest(values) != weights_.digest)
    return absl::DataLossError(absl::StrFormat(
        "the weights' digest is %016x, the server's is %016x: download again",
        Digest(values), weights_.digest));
  return std::move(weights_);
}

}  // namespace backprop
