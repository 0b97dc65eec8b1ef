// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CPP_CONNECTION_H_
#define BACKPROP_CLIENT_CPP_CONNECTION_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/options.h"

namespace backprop {

// What a channel to a backpropd should be made with: messages up to 256 MiB
// (a weight delta in full is large), a question after each `keepalive` in which
// the peer said nothing whether it still lives, while a call is open and
// however silent that is (backpropd allows one each 10 s), no retries by gRPC,
// which cannot resume a stream, and no more than about 2 s between two looks
// for a server that is away. Who does not answer the question within `patience`
// is gone: a peer that vanished without a word is noticed after the two
// together. What is set here cannot be set anew: of two values gRPC takes the
// first.
grpc::ChannelArguments DefaultChannelArguments(
    std::chrono::milliseconds keepalive = std::chrono::seconds(60),
    std::chrono::milliseconds patience = std::chrono::seconds(10));

// A channel that connects at its first call. address: host:port. Where
// ReadOptions refuses the options, one whose every call ends with that.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const ClientOptions& options);

// A channel whose every call ends at once with this error.
std::shared_ptr<grpc::Channel> FailingChannel(const absl::Status& error);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_CONNECTION_H_
