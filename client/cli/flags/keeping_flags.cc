// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/keeping_flags.h"

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags/name_table.h"
#include "client/cli/flags/seconds.h"

namespace backprop::cli {
namespace {

constexpr char kKeepingGroup[] = "Keeping";

Check SecondsOrNothing() {
  return [](const std::string& text) {
    return text.empty() ? "" : Seconds(0)(text);
  };
}

}  // namespace

void AddExpireAfter(Command& app, const std::string& otherwise,
                    std::optional<std::string>* expire_after) {
  app.add_option("--expire-after", *expire_after,
                 absl::StrCat("Have the server delete the session when nobody "
                              "has used it for so long; ",
                              otherwise))
      ->check(SecondsOrNothing())
      ->type_name("SECONDS")
      ->group(kKeepingGroup);
}

void SetExpireAfter(const std::string& expire_after, v1::SessionSpec* spec) {
  double seconds = 0;
  if (absl::SimpleAtod(expire_after, &seconds) && seconds > 0) {
    *spec->mutable_expire_after() = DurationOf(seconds);
  } else {
    spec->clear_expire_after();
  }
}

void AddKeepingFlags(Command& app, KeepingFlags* flags) {
  app.add_option("--durability", flags->durability,
                 "What survives the server's process: " +
                     Choices(TableOf<v1::DurabilityMode>()) +
                     " [durable if the server has a store]")
      ->type_name("NAME")
      ->group(kKeepingGroup);
  app.add_option("--max-lag", flags->max_lag,
                 "durable: how far the disk may be behind the answers [0.02]")
      ->check(Seconds(0))
      ->type_name("SECONDS")
      ->group(kKeepingGroup);
  AddExpireAfter(app, "0: never [0]", &flags->expire_after);
  AddHistoryFlags(app, &flags->history);
}

absl::Status SetKeeping(const KeepingFlags& flags, v1::SessionSpec* spec) {
  if (flags.expire_after.has_value()) SetExpireAfter(*flags.expire_after, spec);
  SetHistory(flags.history, spec);
  v1::DurabilityMode mode = v1::DURABILITY_MODE_DURABLE;
  if (!flags.durability.empty()) {
    absl::StatusOr<v1::DurabilityMode> chosen =
        Choose("--durability", TableOf<v1::DurabilityMode>(), flags.durability);
    if (!chosen.ok()) return chosen.status();
    mode = *chosen;
  } else if (!flags.max_lag.has_value()) {
    return absl::OkStatus();
  }
  if (flags.max_lag.has_value() && mode == v1::DURABILITY_MODE_MEMORY) {
    return UsageError("--max-lag",
                      "is for --durability durable: leave one of them out");
  }
  spec->mutable_durability()->set_mode(mode);
  if (flags.max_lag.has_value()) {
    *spec->mutable_durability()->mutable_max_lag() = DurationOf(*flags.max_lag);
  }
  return absl::OkStatus();
}

}  // namespace backprop::cli
