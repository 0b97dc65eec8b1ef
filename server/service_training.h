// SPDX-License-Identifier: Apache-2.0
//
// backprop.v1.TrainingService: which method is answered how.
#ifndef BACKPROP_SERVER_SERVICE_TRAINING_H_
#define BACKPROP_SERVER_SERVICE_TRAINING_H_

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "server/open_streams.h"
#include "server/service_call.h"

namespace backprop {

// context and streams must outlive the service.
std::unique_ptr<grpc::Service> MakeTrainingService(ServiceContext& context,
                                                   OpenStreams& streams);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SERVICE_TRAINING_H_
