// SPDX-License-Identifier: Apache-2.0
//
// Between messages and gRPC's byte buffers: methods that carry much are taken
// raw, so that parsing and serialising happen on the threads of our choice.
#ifndef BACKPROP_SERVER_RPC_BYTE_BUFFER_H_
#define BACKPROP_SERVER_RPC_BYTE_BUFFER_H_

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>

namespace backprop {

// Empties bytes. Returns false if they are no such message.
template <typename Message>
bool Parse(grpc::ByteBuffer* bytes, Message* message) {
  return grpc::SerializationTraits<Message>::Deserialize(bytes, message).ok();
}

template <typename Message>
grpc::ByteBuffer Serialize(const Message& message) {
  grpc::ByteBuffer bytes;
  bool own_buffer = false;
  grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own_buffer);
  return bytes;
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_BYTE_BUFFER_H_
