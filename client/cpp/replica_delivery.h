// SPDX-License-Identifier: Apache-2.0
//
// For Replica alone: the one form that responses of Train and WatchDeltas take.
#ifndef BACKPROP_CLIENT_CPP_REPLICA_DELIVERY_H_
#define BACKPROP_CLIENT_CPP_REPLICA_DELIVERY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backprop/v1/delta.pb.h"
#include "backprop/v1/network.pb.h"

namespace backprop {

// Points into the response. Nothing of it is to be trusted before Check.
struct ReplicaDelivery {
  uint64_t base_step = 0;
  uint64_t step = 0;
  bool dense = false;  // deltas are rows of D, whatever the layout's forms
  std::string_view deltas;
  std::string_view scalars;
  std::string_view inputs;
  bool inputs_are_values = false;
  const google::protobuf::RepeatedPtrField<v1::StepDigest>* digests = nullptr;
  const v1::Standardisation* standardisation = nullptr;  // null: none came

  // Meaningful once it is known that step ≥ base_step.
  size_t steps() const { return step - base_step; }
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_REPLICA_DELIVERY_H_
