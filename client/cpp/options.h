// SPDX-License-Identifier: Apache-2.0
//
// What a TrainingClient can be made with. The defaults are those for a
// backpropd on the same machine or in the same trusted network, which speaks
// plain text. Through a proxy in front of it (deploy/envoy, deploy/nginx):
//
//   ClientOptions options;
//   options.tls = TlsOptions{.ca_file = "ca.crt"};
//   options.metadata = {{"authorization", "Bearer " + token}};
//   TrainingClient client("backprop.example.org:443", options);
#ifndef BACKPROP_CLIENT_CPP_OPTIONS_H_
#define BACKPROP_CLIENT_CPP_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/metadata.h"
#include "client/cpp/tls_options.h"

namespace backprop {

// How far TrainStream::Send may run ahead of the answers. A message is always
// let through when nothing is unanswered. Larger hides more latency and keeps
// more memory.
struct SendWindow {
  size_t messages = 64;
  size_t bytes = size_t{8} << 20;  // of inputs, targets and sample weights
};

struct ClientOptions {
  // Set: with TLS. Not set: as plain text, a token in the metadata included.
  std::optional<TlsOptions> tls;
  // The server's name, where the address is not it (a tunnel's end, an IP
  // address): what its certificate must be for, and what proxies choose by
  // (HTTP/2's :authority). Empty: the address.
  std::string authority;
  // Sent with every call, the streams among them.
  Metadata metadata;
  // Each call that answers once must be done in this time, and the opening of a
  // ResumingTrainStream answered. Train and Watch streams, Evaluate and
  // DownloadWeights take as long as they take.
  std::chrono::milliseconds call_deadline = std::chrono::seconds(60);
  SendWindow send_window;
};

// The same options with tls->texts read, so that no file is read again; or
// INVALID_ARGUMENT with what is wrong with them, files included. The text
// begins with the field, e.g. "tls.ca_file: cannot read …". A client that is
// made with such options says the same at each call.
absl::StatusOr<ClientOptions> ReadOptions(const ClientOptions& options);

// What ReadOptions says. A file that can be read only once, such as a pipe, is
// then read: make the client with what ReadOptions returns instead.
absl::Status CheckOptions(const ClientOptions& options);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_OPTIONS_H_
