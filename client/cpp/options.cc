// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/options.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace backprop {

absl::Status CheckOptions(const ClientOptions& options) {
  absl::Status status = CheckMetadata(options.metadata);
  if (!status.ok()) return status;
  if (!std::all_of(options.authority.begin(), options.authority.end(),
                   [](unsigned char c) { return absl::ascii_isgraph(c); }))
    return absl::InvalidArgumentError(
        "authority: is a name, or name:port, of printable ASCII");
  return options.tls.has_value() ? ReadTlsFiles(*options.tls).status()
                                 : absl::OkStatus();
}

}  // namespace backprop
