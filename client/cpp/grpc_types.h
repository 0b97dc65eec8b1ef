// SPDX-License-Identifier: Apache-2.0
//
// Those of gRPC's types that the library's headers name. gRPC's own headers
// take seconds to parse; only what makes a channel or calls a stub needs them.
#ifndef BACKPROP_CLIENT_CPP_GRPC_TYPES_H_
#define BACKPROP_CLIENT_CPP_GRPC_TYPES_H_

namespace grpc {

class Channel;
class ClientContext;
class Status;  // NOLINT: other libraries have a Status too
template <class R>
class ClientReaderInterface;
template <class W, class R>
class ClientReaderWriterInterface;

}  // namespace grpc

#endif  // BACKPROP_CLIENT_CPP_GRPC_TYPES_H_
