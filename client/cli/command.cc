// SPDX-License-Identifier: Apache-2.0
#include "client/cli/command.h"

#include <charconv>
#include <iostream>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace backprop::cli {
namespace {

constexpr char kUsagePayload[] = "backprop.cli/usage";

}  // namespace

void AddSessionId(CLI::App& command, std::string* session_id) {
  command.add_option("SESSION,--session", *session_id, "Session's id")
      ->type_name("ID")
      ->required();
}

absl::Status UsageError(const std::string& flag, const std::string& text) {
  absl::Status status = absl::InvalidArgumentError(
      absl::StrCat(flag, flag.empty() ? "" : ": ", text));
  status.SetPayload(kUsagePayload, absl::Cord(flag));
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

CLI::Validator WholeNumber(uint64_t smallest, uint64_t largest) {
  const auto refusal = [=](const std::string& text) -> std::string {
    uint64_t number = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error == std::errc() && end == last && number >= smallest &&
        number <= largest)
      return "";
    return absl::StrCat("'", text, "' is not a whole number from ", smallest,
                        " to ", largest);
  };
  // No description: --help names the value already.
  return CLI::Validator(refusal, "", "whole number");
}

CLI::Validator RealNumber() {
  const auto refusal = [](const std::string& text) -> std::string {
    double number = 0;
    return absl::SimpleAtod(text, &number)
               ? ""
               : absl::StrCat("'", text, "' is not a number");
  };
  return CLI::Validator(refusal, "", "number");
}

void PrintJson(const Json& object) {
  // A name in a file may not be UTF-8; that must not end the program.
  std::cout << object.dump(-1, ' ', false, Json::error_handler_t::replace)
            << std::endl;
}

}  // namespace backprop::cli
