// SPDX-License-Identifier: Apache-2.0
//
// How a client speaks TLS. backpropd itself speaks plain text; it is a proxy in
// front of it that speaks TLS for it.
#ifndef BACKPROP_CLIENT_CPP_TLS_OPTIONS_H_
#define BACKPROP_CLIENT_CPP_TLS_OPTIONS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace backprop {

// What the files hold; empty where none is named.
struct TlsTexts {
  std::string authorities;
  std::string certificate;
  std::string key;
};

// Files are PEM, and are read once, when the client is made; so they may be
// pipes.
struct TlsOptions {
  // Certificates of the authorities that may vouch for the server. Empty:
  // those that the system trusts (the environment's
  // GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names others).
  std::string ca_file = {};
  // The client's own certificate, with those between it and its authority, and
  // its private key, without a passphrase: for servers that ask for one
  // (mutual TLS). Both, or neither.
  std::string certificate_file = {};
  std::string key_file = {};
  // Set: what the files held when they were read; they are not read again.
  std::optional<TlsTexts> texts = std::nullopt;
};

// The texts, or else the files.
// INVALID_ARGUMENT: a file cannot be read, or holds something else; or the
// certificate has no key, or the key no certificate. Whether the two belong
// together shows only when a connection is made.
absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsOptions& tls);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_TLS_OPTIONS_H_
