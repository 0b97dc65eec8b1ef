// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/command.h"

#include <charconv>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace backprop::cli {
namespace {

constexpr char kUsagePayload[] = "backprop.cli/usage";

// what: of which kind the number must be, e.g. "a number above 0".
Check NumberThat(const std::string& what,
                 const std::function<bool(float)>& holds) {
  return [=](const std::string& text) -> std::string {
    float number = 0;
    return absl::SimpleAtof(text, &number) && std::isfinite(number) &&
                   holds(number)
               ? ""
               : absl::StrCat("'", text, "' is not ", what);
  };
}

}  // namespace

void AddSessionId(Command& command, std::string* session_id) {
  command
      .add_option("SESSION,--session", *session_id,
                  "The session's id; --session ID does as well")
      ->type_name("ID")
      ->required();
}

absl::Status UsageError(const std::string& flag, const std::string& text) {
  return AsUsageError(absl::InvalidArgumentError(
      absl::StrCat(flag, flag.empty() ? "" : ": ", text)));
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

absl::Status Retold(const absl::Status& status, const std::string& text) {
  absl::Status retold(status.code(), text);
  // Names of its types differ between versions of Abseil.
  status.ForEachPayload([&](const auto& name, const absl::Cord& payload) {
    retold.SetPayload(name, payload);
  });
  return retold;
}

absl::Status AsUsageError(absl::Status status) {
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

Check WholeNumber(uint64_t smallest, uint64_t largest) {
  return [=](const std::string& text) -> std::string {
    uint64_t number = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error == std::errc() && end == last && number >= smallest &&
        number <= largest) {
      return "";
    }
    return absl::StrCat("'", text, "' is not a whole number from ", smallest,
                        " to ", largest);
  };
}

Check RealNumber() {
  return NumberThat("a number", [](float) { return true; });
}

Check NonZero() {
  return [](const std::string& text) {
    const std::string fault = RealNumber()(text);
    return fault.empty()
               ? NumberThat("a number other than 0",
                            [](float number) { return number != 0; })(text)
               : fault;
  };
}

Check NumberBetween(float smallest, float largest) {
  return NumberThat(
      absl::StrCat("a number from ", smallest, " to ", largest),
      [=](float number) { return number >= smallest && number <= largest; });
}

void PrintJson(const Json& object, std::ostream& out) {
  // A name in a file may not be UTF-8; that must not end the program.
  out << object.dump(-1, ' ', false, Json::error_handler_t::replace)
      << std::endl;
}

}  // namespace backprop::cli
