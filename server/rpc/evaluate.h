// SPDX-License-Identifier: Apache-2.0
//
// The Evaluate stream: one message after the other through the session's turns,
// one answer at the end.
#ifndef BACKPROP_SERVER_RPC_EVALUATE_H_
#define BACKPROP_SERVER_RPC_EVALUATE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/calls/service_context.h"

namespace backprop {

// For one call of Evaluate, taken raw. context must outlive it; it frees
// itself.
grpc::ServerReadReactor<grpc::ByteBuffer>* OpenEvaluate(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    grpc::ByteBuffer* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_EVALUATE_H_
