// SPDX-License-Identifier: Apache-2.0
//
// The Train stream: moves bytes between gRPC and the session's turns.
#ifndef BACKPROP_SERVER_RPC_TRAIN_H_
#define BACKPROP_SERVER_RPC_TRAIN_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/calls/service_context.h"
#include "server/rpc/open_streams.h"

namespace backprop {

// For one call of Train. context and streams must outlive it; it frees itself.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* OpenTrain(
    ServiceContext& context, OpenStreams& streams,
    grpc::CallbackServerContext* rpc);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_TRAIN_H_
