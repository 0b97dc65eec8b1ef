// SPDX-License-Identifier: Apache-2.0
//
// Which flag sets which field of a request: what a number must be like the
// server says, by field; people typed flags.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_FLAG_FIELDS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_FLAG_FIELDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace backprop::cli {

// The flag for a field of a session's spec: "--momentum" for
// "optimiser.sgd.momentum", "--layers" for "layers[2].size". A field that no
// row of the table is for has a flag of its own name, so there may be no such
// flag.
std::string FlagOf(std::string_view field);

// A server's refusal as people have to hear it who typed a command with these
// options: each violation with its flag in place of the field, where there is
// that flag, and then as a usage error. Any other status comes back as it is.
absl::Status InFlags(const absl::Status& status,
                     const std::vector<std::string>& options);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_FLAG_FIELDS_H_
