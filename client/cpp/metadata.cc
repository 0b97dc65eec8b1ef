// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/metadata.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

// What gRPC or HTTP/2 say themselves; what is put in there is dropped, or ends
// the call.
bool IsReserved(std::string_view key) {
  constexpr std::string_view kReserved[] = {"connection",   "content-length",
                                            "content-type", "host",
                                            "keep-alive",   "te",
                                            "trailer",      "transfer-encoding",
                                            "upgrade",      "user-agent"};
  return key.starts_with("grpc-") ||
         std::find(std::begin(kReserved), std::end(kReserved), key) !=
             std::end(kReserved);
}

bool IsOfKey(char letter) {
  return absl::ascii_isalnum(static_cast<unsigned char>(letter)) ||
         letter == '-' || letter == '_' || letter == '.';
}

// What is wrong with a pair; empty if nothing is. Of a key that is none no more
// is shown than its begin: a secret may have slipped into it.
std::string FaultOf(const std::string& key, const std::string& value) {
  if (key.empty()) return "a key is empty";
  if (!std::all_of(key.begin(), key.end(), IsOfKey)) {
    return absl::StrCat(
        "a key may have letters, digits, '-', '_' and '.' "
        "only, but the one that begins '",
        key.substr(0, static_cast<size_t>(
                          std::find_if_not(key.begin(), key.end(), IsOfKey) -
                          key.begin())),
        "' has others");
  }
  if (IsReserved(absl::AsciiStrToLower(key))) {
    return absl::StrCat("the key '", key,
                        "' is one that gRPC or HTTP sets itself");
  }
  if (absl::AsciiStrToLower(key).ends_with("-bin")) return "";
  const auto printable = [](unsigned char letter) {
    return absl::ascii_isprint(letter);
  };
  if (!std::all_of(value.begin(), value.end(), printable)) {
    return absl::StrCat("the value of '", key,
                        "' may have printable ASCII only (is a line's end or "
                        "an accent in it?); other bytes need a key that ends "
                        "in -bin");
  }
  if (value.starts_with(' ') || value.ends_with(' ')) {
    return absl::StrCat("the value of '", key,
                        "' begins or ends with a space, which HTTP drops");
  }
  return "";
}

}  // namespace

absl::Status CheckMetadata(const Metadata& metadata) {
  for (const auto& [key, value] : metadata) {
    const std::string fault = FaultOf(key, value);
    if (!fault.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("metadata: ", fault));
    }
  }
  return absl::OkStatus();
}

}  // namespace backprop
