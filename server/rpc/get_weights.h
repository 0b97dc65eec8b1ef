// SPDX-License-Identifier: Apache-2.0
//
// The GetWeights stream: a copy of the weights as they were at one step, sent
// chunk by chunk while training goes on.
#ifndef BACKPROP_SERVER_RPC_GET_WEIGHTS_H_
#define BACKPROP_SERVER_RPC_GET_WEIGHTS_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/calls/service_context.h"

namespace backprop {

// For one call of GetWeights. context must outlive it; it frees itself.
// request: the serialised GetWeightsRequest. The copies of all calls together
// are limited to max_total_weights: QUEUE_LIMIT.
grpc::ServerWriteReactor<grpc::ByteBuffer>* OpenGetWeights(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const grpc::ByteBuffer& request);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_GET_WEIGHTS_H_
