// SPDX-License-Identifier: Apache-2.0
//
// The WatchDeltas stream: a session's deltas to those who follow it.
#ifndef BACKPROP_SERVER_RPC_WATCH_DELTAS_H_
#define BACKPROP_SERVER_RPC_WATCH_DELTAS_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/calls/service_context.h"
#include "server/rpc/open_streams.h"

namespace backprop {

// For one call of WatchDeltas. context and streams must outlive it; it frees
// itself. request: the serialised WatchDeltasRequest.
grpc::ServerWriteReactor<grpc::ByteBuffer>* OpenWatchDeltas(
    ServiceContext& context, OpenStreams& streams,
    const grpc::ByteBuffer& request);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_WATCH_DELTAS_H_
