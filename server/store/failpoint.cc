// SPDX-License-Identifier: Apache-2.0
#include "server/store/failpoint.h"

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"

namespace backprop {
namespace {

// In the order of Failpoint.
constexpr std::string_view kNames[] = {
    "directory_held",    "schema_made",        "heads_listed",
    "part_trained",      "part_recorded",      "block_put",
    "steps_put",         "image_put",          "image_part_put",
    "image_ended",       "handed_over",        "commit_begun",
    "head_put",          "pieces_removed",     "pieces_put",
    "session_erased",    "before_commit",      "after_commit",
    "before_checkpoint", "after_checkpoint",   "session_told",
    "waiter_told",       "evicting",           "evicted",
    "load_begun",        "numbers_restored",   "brought_back",
    "epoch_durable",     "checkpoints_edited", "history_cut",
    "rewind_begun",      "rewind_durable"};
static_assert(std::size(kNames) ==
              1 + static_cast<size_t>(Failpoint::kRewindDurable));

// Where to die, and how often it is come to first.
struct Fate {
  std::optional<Failpoint> point;
  std::atomic<int> left = 0;

  Fate();
};

[[noreturn]] void Refuse(std::string_view fate) {
  std::fprintf(stderr, "BACKPROP_FAILPOINT: %.*s is no place:times; places:",
               static_cast<int>(fate.size()), fate.data());
  for (const std::string_view name : kNames) {
    std::fprintf(stderr, " %.*s", static_cast<int>(name.size()), name.data());
  }
  std::fprintf(stderr, "\n");
  std::exit(2);
}

Fate::Fate() {
  const char* const set = std::getenv("BACKPROP_FAILPOINT");
  if (set == nullptr) return;
  const std::string_view fate = set;
  const size_t colon = fate.find(':');
  int times = 0;
  if (colon == fate.npos ||
      !absl::SimpleAtoi(absl::string_view(set + colon + 1), &times) ||
      times < 1) {
    Refuse(fate);
  }
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == fate.substr(0, colon)) point = static_cast<Failpoint>(i);
  }
  if (!point.has_value()) Refuse(fate);
  left = times;
}

}  // namespace

void MayDieAt(Failpoint point) {
  static Fate fate;
  if (fate.point == point && fate.left.fetch_sub(1) == 1) {
    kill(getpid(), SIGKILL);
  }
}

}  // namespace backprop
