// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/connection.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace backprop {
namespace {

constexpr int kMaxReceiveBytes = 256 << 20;
constexpr int kFirstReconnectMs = 200;
constexpr int kLongestReconnectMs = 2'000;

}  // namespace

grpc::ChannelArguments DefaultChannelArguments(
    std::chrono::milliseconds keepalive, std::chrono::milliseconds patience) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   static_cast<int>(keepalive.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(patience.count()));
  // Newer gRPCs wait for their own pings, by which they measure a connection,
  // before keepalive's; older ones don't know it.
  arguments.SetInt("grpc.http2.ping_timeout_ms",
                   static_cast<int>(patience.count()));
  // gRPC would ask no more after two pings while the client itself has nothing
  // to say, as one that watches never has.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // gRPC's own are 1 s, and up to 2 min where a server was away for long: calls
  // fail at once meanwhile, though it is back.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  return arguments;
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const ClientOptions& options) {
  absl::StatusOr<ClientOptions> read = ReadOptions(options);
  if (!read.ok()) return FailingChannel(read.status());
  std::shared_ptr<grpc::ChannelCredentials> credentials =
      grpc::InsecureChannelCredentials();
  if (read->tls.has_value()) {
    const TlsTexts& texts = *read->tls->texts;
    credentials =
        grpc::SslCredentials({texts.authorities, texts.key, texts.certificate});
  }
  grpc::ChannelArguments arguments = DefaultChannelArguments();
  if (!options.authority.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, options.authority);
  }
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

std::shared_ptr<grpc::Channel> FailingChannel(const absl::Status& error) {
  // A Channel keeps the library running, but only from its construction on.
  grpc_init();
  std::shared_ptr<grpc::Channel> channel = grpc::CreateChannelInternal(
      "",
      grpc_lame_client_channel_create(
          "", static_cast<grpc_status_code>(error.code()),
          std::string(error.message()).c_str()),
      {});
  grpc_shutdown();
  return channel;
}

}  // namespace backprop
