// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_RPC_LIBRARY_LOG_H_
#define BACKPROP_SERVER_RPC_LIBRARY_LOG_H_

namespace backprop {

// What gRPC and protobuf's library say goes to our log from now on, for the
// whole process. Called before either is used.
void TakeLibraryLogs();

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_LIBRARY_LOG_H_
