// SPDX-License-Identifier: Apache-2.0
#include "client/cli/command.h"

#include <charconv>
#include <iostream>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace backprop::cli {
namespace {

constexpr char kUsagePayload[] = "backprop.cli/usage";

}  // namespace

absl::Status UsageError(const std::string& flag, const std::string& text) {
  absl::Status status =
      absl::InvalidArgumentError(absl::StrCat(flag, ": ", text));
  status.SetPayload(kUsagePayload, absl::Cord(flag));
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

CLI::Validator WholeNumber(uint64_t smallest) {
  const auto refusal = [smallest](const std::string& text) -> std::string {
    uint64_t number = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error == std::errc() && end == last && number >= smallest) return "";
    return absl::StrCat("'", text, "' is not a whole number of at least ",
                        smallest);
  };
  // No description: --help names the value already.
  return CLI::Validator(refusal, "", "whole number");
}

void PrintJson(const Json& object) {
  // A name in a file may not be UTF-8; that must not end the program.
  std::cout << object.dump(-1, ' ', false, Json::error_handler_t::replace)
            << std::endl;
}

}  // namespace backprop::cli
