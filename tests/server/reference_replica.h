// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_REFERENCE_REPLICA_H_
#define BACKPROP_TESTS_SERVER_REFERENCE_REPLICA_H_

#include <cstdint>
#include <vector>

#include "backprop/v1/network.pb.h"
#include "backprop/v1/training_service.pb.h"

namespace backprop::testing {

// A replica written from the proto's comments alone, shares no code with the
// engine or the client: one number at a time, in the order that delta.proto
// gives.
class ReferenceReplica {
 public:
  ReferenceReplica(const v1::Session& session, std::vector<float> weights)
      : session_(session), weights_(std::move(weights)) {}

  // Adds the deltas of a whole answer. request: the message that it answers.
  // Adds a failure to the test if base_step is not this replica's step.
  void Apply(const v1::TrainRequest& request,
             const v1::TrainResponse& response);

  const std::vector<float>& weights() const { return weights_; }
  uint64_t step() const { return step_; }
  // XXH3-64 of the weights.
  uint64_t digest() const;

 private:
  // x of input row `sample` of the message.
  std::vector<float> Inputs(const v1::TrainRequest& request,
                            size_t sample) const;
  void ApplyStep(const float* row, const v1::TrainRequest& request,
                 size_t first_sample);

  const v1::Session session_;
  std::vector<float> weights_;
  uint64_t step_ = 0;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_REFERENCE_REPLICA_H_
