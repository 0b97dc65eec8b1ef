// SPDX-License-Identifier: Apache-2.0
//
// Between messages and gRPC's byte buffers: every method is taken raw, so that
// parsing and serialising happen on the threads of our choice, and what can't
// be parsed is refused as the protocol says (gRPC alone would answer
// UNIMPLEMENTED and no word).
#ifndef BACKPROP_SERVER_RPC_BYTE_BUFFER_H_
#define BACKPROP_SERVER_RPC_BYTE_BUFFER_H_

#include <google/protobuf/message.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"

namespace backprop {

// A request that only names something is no longer; so long a one is parsed in
// some tens of microseconds, whatever it holds, and so within a reaction.
inline constexpr size_t kLongestSmallRequest = 4096;

// Empties bytes. Fails with INVALID_REQUEST, and leaves *message empty, if they
// are no such message or a string of it is not UTF-8.
template <typename Message>
absl::Status Parse(grpc::ByteBuffer* bytes, Message* message) {
  if (grpc::SerializationTraits<Message>::Deserialize(bytes, message).ok()) {
    return absl::OkStatus();
  }
  message->Clear();
  const auto& type = *Message::descriptor();
  return InvalidField(type.name(),
                      absl::StrCat("these bytes are no ", type.full_name(),
                                   ", or one of its strings is not UTF-8"));
}

// The same; longer requests are refused without a look at them.
template <typename Message>
absl::Status ParseSmall(grpc::ByteBuffer* bytes, Message* message) {
  if (bytes->Length() <= kLongestSmallRequest) return Parse(bytes, message);
  return InvalidField(
      Message::descriptor()->name(),
      absl::StrCat("is ", bytes->Length(), " bytes long; must be at most ",
                   kLongestSmallRequest));
}

template <typename Message>
grpc::ByteBuffer Serialize(const Message& message) {
  grpc::ByteBuffer bytes;
  bool own_buffer = false;
  grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own_buffer);
  return bytes;
}

// A message's bytes as they are. Not copied, but owned together.
inline grpc::ByteBuffer Sharing(std::shared_ptr<const std::string> bytes) {
  using Owner = std::shared_ptr<const std::string>;
  auto owner = std::make_unique<Owner>(std::move(bytes));
  // Nobody writes to a slice.
  char* const begin = const_cast<char*>((*owner)->data());
  const size_t size = (*owner)->size();
  const grpc::Slice slice(
      begin, size, [](void* its) { delete static_cast<Owner*>(its); },
      owner.release());
  return {&slice, 1};
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_BYTE_BUFFER_H_
