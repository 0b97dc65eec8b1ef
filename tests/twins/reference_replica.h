// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_TWINS_REFERENCE_REPLICA_H_
#define BACKPROP_TESTS_TWINS_REFERENCE_REPLICA_H_

#include <cstdint>
#include <vector>

#include "backprop/v1/network.pb.h"
#include "backprop/v1/training_service.pb.h"
#include "tests/twins/contract_twin.h"

namespace backprop::testing {

// Follows a session's answers as the contract's twin (contract_twin.h) does it;
// shares no code with the engine or the client.
class ReferenceReplica {
 public:
  // weights: at the session's step; the optimiser's state is zero.
  ReferenceReplica(const v1::Session& session,
                   const std::vector<float>& weights);

  // numbers: weights and state as GetWeights sends them.
  static ReferenceReplica WithState(const v1::Session& session,
                                    const std::vector<float>& numbers);

  // Adds the deltas of a whole answer; scalar rows one a step. request: the
  // message that it answers. Adds a failure to the test if base_step is not
  // this replica's step.
  void Apply(const v1::TrainRequest& request,
             const v1::TrainResponse& response);

  // What the server learnt of the inputs meanwhile.
  void SetStandardisation(const v1::Standardisation& standardisation) {
    *session_.mutable_spec()->mutable_input()->mutable_standardisation() =
        standardisation;
  }
  // The last step's D of every weight.
  const std::vector<float>& last_delta() const { return last_delta_; }
  const std::vector<float>& weights() const { return weights_; }
  // Weights and state as GetWeights sends them; the state of DENSE layers is
  // not kept.
  std::vector<float> numbers() const;
  uint64_t step() const { return step_; }
  // XXH3-64 of the weights.
  uint64_t digest() const;

 private:
  // x of `count` samples of the message from the first_sample-th on.
  std::vector<float> Inputs(const v1::TrainRequest& request,
                            size_t first_sample, size_t count) const;

  v1::Session session_;
  TwinSession twin_;
  std::vector<float> weights_;
  std::vector<float> state_;  // (state_count, weight_count)
  std::vector<float> last_delta_;
  uint64_t step_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_REFERENCE_REPLICA_H_
