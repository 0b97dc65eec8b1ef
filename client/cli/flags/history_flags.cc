// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/history_flags.h"

#include <limits>
#include <string>

#include "client/cli/flags/command.h"
#include "client/cli/flags/seconds.h"

namespace backprop::cli {
namespace {

constexpr char kHistoryGroup[] = "Keeping";
constexpr uint64_t kMostNumber = std::numeric_limits<uint64_t>::max();

}  // namespace

void AddHistoryFlags(Command& app, HistoryFlags* flags) {
  app.add_option("--history-steps", flags->steps,
                 "Keep so many of the last steps, so that backprop rewind can "
                 "go back to any; 0: no such limit, and without any no history")
      ->check(WholeNumber(0, kMostNumber))
      ->type_name("STEPS")
      ->group(kHistoryGroup);
  app.add_option("--history-age", flags->age,
                 "Keep steps for so long, likewise")
      ->check(Seconds(0))
      ->type_name("SECONDS")
      ->group(kHistoryGroup);
  app.add_option("--history-bytes", flags->bytes,
                 "Keep steps that take so many bytes in the store, likewise")
      ->check(WholeNumber(0, kMostNumber))
      ->type_name("BYTES")
      ->group(kHistoryGroup);
}

void SetHistory(const HistoryFlags& flags, v1::SessionSpec* spec) {
  if (!flags.given()) return;
  v1::History& history = *spec->mutable_history();
  if (flags.steps.has_value()) history.set_max_steps(*flags.steps);
  if (flags.bytes.has_value()) history.set_max_bytes(*flags.bytes);
  if (flags.age.has_value()) {
    history.clear_max_age();
    if (*flags.age > 0) *history.mutable_max_age() = DurationOf(*flags.age);
  }
  if (history.max_steps() == 0 && history.max_bytes() == 0 &&
      !history.has_max_age()) {
    spec->clear_history();
  }
}

}  // namespace backprop::cli
