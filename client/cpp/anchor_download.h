// SPDX-License-Identifier: Apache-2.0
//
// Puts the chunks of a GetWeights call together.
#ifndef BACKPROP_CLIENT_CPP_ANCHOR_DOWNLOAD_H_
#define BACKPROP_CLIENT_CPP_ANCHOR_DOWNLOAD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/anchor.h"

namespace backprop {

class AnchorDownload {
 public:
  // with_state: whether the optimiser's state was asked for.
  explicit AnchorDownload(bool with_state) : with_state_(with_state) {}

  // The next chunk. DATA_LOSS: it does not follow on the ones before.
  absl::Status Add(const v1::GetWeightsResponse& chunk);

  // After the last chunk. DATA_LOSS: weights are missing, or their digest is
  // another.
  absl::StatusOr<Anchor> Finish() &&;

 private:
  absl::Status CheckFollows(const v1::GetWeightsResponse& chunk) const;

  const bool with_state_;
  bool begun_ = false;
  uint64_t weight_count_ = 0;
  Anchor anchor_;  // the state follows the weights in `weights` until Finish
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_ANCHOR_DOWNLOAD_H_
