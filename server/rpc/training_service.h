// SPDX-License-Identifier: Apache-2.0
//
// backprop.v1.TrainingService: which method is answered how.
#ifndef BACKPROP_SERVER_RPC_TRAINING_SERVICE_H_
#define BACKPROP_SERVER_RPC_TRAINING_SERVICE_H_

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "server/calls/service_context.h"
#include "server/rpc/open_streams.h"

namespace backprop {

// context and streams must outlive the service.
std::unique_ptr<grpc::Service> MakeTrainingService(ServiceContext& context,
                                                   OpenStreams& streams);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_TRAINING_SERVICE_H_
