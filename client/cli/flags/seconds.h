// SPDX-License-Identifier: Apache-2.0
//
// Time spans as flags take them: seconds, with a fraction where there is one.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_SECONDS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_SECONDS_H_

#include <google/protobuf/duration.pb.h>

#include "client/cli/flags/command_line.h"

namespace backprop::cli {

inline constexpr double kMostSeconds = 100.0 * 365 * 24 * 60 * 60;

// From `least` to kMostSeconds.
Check Seconds(double least);

// To the nanosecond. seconds: 0 … kMostSeconds.
google::protobuf::Duration DurationOf(double seconds);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_SECONDS_H_
