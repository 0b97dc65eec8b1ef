// SPDX-License-Identifier: Apache-2.0
//
// The flags that say how the server is reached where a proxy stands in front
// of it: TLS, the server's name, and metadata such as a token.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_CONNECTION_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_CONNECTION_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/command_line.h"

namespace backprop::cli {

// What stands behind it may be secret.
inline constexpr char kMetadataFlag[] = "--metadata";

// For a stream that a proxy cut.
inline constexpr char kAdviceOnCuts[] =
    "deploy/envoy and deploy/nginx have settings that do not cut streams.";

struct ConnectionFlags {
  bool tls = false;  // any of the next three switches it on as well
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  std::string authority;
  std::vector<std::string> metadata;  // KEY=VALUE each
  std::string metadata_file;          // such lines; "-" is standard input
};

// All but --metadata also come from the environment, as every flag's name says;
// what --metadata gives from BACKPROP_METADATA (SetConnection).
void AddConnectionFlags(Command& app, ConnectionFlags* flags);

// Fills in how the commands reach the server. environment: the value of
// BACKPROP_METADATA, pairs as KEY=VALUE, one a line; may be null. Where two of
// the environment, the file and the flags give a key, the later counts. Errors
// name the flag, and show no value.
absl::Status SetConnection(const ConnectionFlags& flags,
                           const char* environment, GlobalFlags* global);

// What the user can do about a call that did not get through, as whole lines;
// empty where nothing is known.
std::string ConnectionAdvice(const absl::Status& status,
                             const GlobalFlags& global);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_CONNECTION_FLAGS_H_
