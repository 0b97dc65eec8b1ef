// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_TEXT_TIME_TEXT_H_
#define BACKPROP_CLIENT_CLI_TEXT_TIME_TEXT_H_

#include <cstdint>
#include <string>

namespace backprop::cli {

// For a moment that is told whole.
inline constexpr char kWholeMoment[] = "%Y-%m-%d %H:%M:%S UTC";

// A moment in UTC, so that it reads the same wherever it is typed. seconds:
// since 1970; format: strftime's.
std::string TimeText(int64_t seconds, const char* format);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_TIME_TEXT_H_
