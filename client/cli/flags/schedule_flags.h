// SPDX-License-Identifier: Apache-2.0
//
// The flags that say how the learning rate changes from step to step.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_SCHEDULE_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_SCHEDULE_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"

namespace backprop::cli {

struct ScheduleFlags {
  std::string kind;  // empty: not given
  std::optional<uint64_t> warmup_steps, steps;
  std::optional<float> factor, min_rate, power, rate, period_factor, threshold;
  std::optional<uint32_t> patience;
  bool restarts = false;

  // Whether any of them was given.
  bool given() const;
};

void AddScheduleFlags(Command& app, ScheduleFlags* flags);

// run_steps: how long cosine and polynomial take where --schedule-steps is not
// given, the warm-up included: as long as training will; 0: unknown. An empty
// message is a constant rate. Errors are usage errors that name the flag.
absl::StatusOr<v1::Schedule> MakeSchedule(const ScheduleFlags& flags,
                                          uint64_t run_steps);

// As --schedule takes it: "cosine", or "constant".
std::string ScheduleName(const v1::Schedule& schedule);

// "cosine schedule", for people; empty for a constant rate.
std::string ScheduleText(const v1::Schedule& schedule);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_SCHEDULE_FLAGS_H_
