// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_TWINS_NAIVE_REPLICA_H_
#define BACKPROP_TESTS_TWINS_NAIVE_REPLICA_H_

#include <cstdint>
#include <vector>

#include "backprop/v1/training_service.pb.h"

namespace backprop::testing {

// A replica written from delta.proto alone, one number at a time. Shares no
// code with the engine or the client.
class NaiveReplica {
 public:
  // state: (state_count, weight_count).
  NaiveReplica(const v1::Session& session, std::vector<float> weights,
               std::vector<float> state);

  // row: (delta_row_length); x: (batch_size, input_size), what the network saw;
  // scalars: (scalar_count).
  void Step(const std::vector<float>& row, const std::vector<float>& x,
            const std::vector<float>& scalars);

  const std::vector<float>& weights() const { return weights_; }
  const std::vector<float>& state() const { return state_; }

 private:
  void StepOne(size_t number, float g, const std::vector<float>& scalars);

  const v1::Session session_;
  std::vector<float> weights_;
  std::vector<float> state_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_NAIVE_REPLICA_H_
