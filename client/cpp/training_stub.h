// SPDX-License-Identifier: Apache-2.0
//
// What a TrainingClient calls. For who gives it one of his own, as tests do:
// training_client.h does without, and so without gRPC's headers.
#ifndef BACKPROP_CLIENT_CPP_TRAINING_STUB_H_
#define BACKPROP_CLIENT_CPP_TRAINING_STUB_H_

#include <memory>

#include "backprop/v1/training_service.grpc.pb.h"

namespace backprop {

struct TrainingStub {
  std::shared_ptr<v1::TrainingService::StubInterface> calls;
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_TRAINING_STUB_H_
