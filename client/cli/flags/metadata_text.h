// SPDX-License-Identifier: Apache-2.0
//
// Metadata as it is typed: KEY=VALUE.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_METADATA_TEXT_H_
#define BACKPROP_CLIENT_CLI_FLAGS_METADATA_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/metadata.h"

namespace backprop::cli {

// One pair. Errors are usage errors that begin with `source`, which says where
// the text stands, and never show a value.
absl::StatusOr<Metadata::value_type> ParsePair(const std::string& source,
                                               const std::string& text);

// One pair a line. Spaces around a line don't count; empty lines, and those
// that begin with #, say nothing.
absl::StatusOr<Metadata> ParsePairs(const std::string& source,
                                    const std::string& text);

// Adds `later`; its keys take the place of equal ones that are there.
void Override(Metadata* pairs, Metadata later);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_METADATA_TEXT_H_
