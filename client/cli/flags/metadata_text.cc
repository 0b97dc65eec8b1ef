// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/metadata_text.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/flags/command.h"

namespace backprop::cli {

absl::StatusOr<Metadata::value_type> ParsePair(const std::string& source,
                                               const std::string& text) {
  const size_t end = text.find('=');
  if (end == std::string::npos) {
    return UsageError(source, "a pair has no '='; write KEY=VALUE");
  }
  Metadata::value_type pair(absl::AsciiStrToLower(text.substr(0, end)),
                            text.substr(end + 1));
  absl::Status status = CheckMetadata({pair});
  if (!status.ok()) {
    return UsageError(
        source, std::string(absl::StripPrefix(status.message(), "metadata: ")));
  }
  if (pair.first.ends_with("-bin")) {
    return UsageError(source, "'" + pair.first +
                                  "' is a key for bytes, which text cannot "
                                  "give; use another, or the client library");
  }
  return pair;
}

absl::StatusOr<Metadata> ParsePairs(const std::string& source,
                                    const std::string& text) {
  Metadata pairs;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& untidy : lines) {
    const std::string line(absl::StripAsciiWhitespace(untidy));
    if (line.empty() || line.starts_with('#')) continue;
    auto pair = ParsePair(source, line);
    if (!pair.ok()) return pair.status();
    pairs.push_back(*std::move(pair));
  }
  return pairs;
}

void Override(Metadata* pairs, Metadata later) {
  std::erase_if(*pairs, [&](const auto& pair) {
    return std::any_of(later.begin(), later.end(), [&](const auto& other) {
      return other.first == pair.first;
    });
  });
  std::move(later.begin(), later.end(), std::back_inserter(*pairs));
}

}  // namespace backprop::cli
