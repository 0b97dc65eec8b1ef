// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/options.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"

namespace backprop {

absl::StatusOr<ClientOptions> ReadOptions(const ClientOptions& options) {
  absl::Status status = CheckMetadata(options.metadata);
  if (!status.ok()) return status;
  if (!std::all_of(options.authority.begin(), options.authority.end(),
                   [](unsigned char c) { return absl::ascii_isgraph(c); })) {
    return absl::InvalidArgumentError(
        "authority: is a name, or name:port, of printable ASCII");
  }
  ClientOptions read = options;
  if (!read.tls.has_value()) return read;
  absl::StatusOr<TlsTexts> texts = ReadTlsFiles(*read.tls);
  if (!texts.ok()) return texts.status();
  read.tls->texts = *std::move(texts);
  return read;
}

absl::Status CheckOptions(const ClientOptions& options) {
  return ReadOptions(options).status();
}

}  // namespace backprop
