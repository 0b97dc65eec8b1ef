// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/seconds.h"

#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace backprop::cli {

Check Seconds(double least) {
  return [least](const std::string& text) -> std::string {
    double seconds = 0;
    if (absl::SimpleAtod(text, &seconds) && seconds >= least &&
        seconds <= kMostSeconds) {
      return "";
    }
    return absl::StrCat("'", text, "' is not a number of seconds from ", least,
                        " to ", static_cast<uint64_t>(kMostSeconds));
  };
}

google::protobuf::Duration DurationOf(double seconds) {
  constexpr int64_t kNanosASecond = 1'000'000'000;
  const double whole = std::floor(seconds);
  const int64_t nanos = std::llround((seconds - whole) * kNanosASecond);
  google::protobuf::Duration duration;
  duration.set_seconds(static_cast<int64_t>(whole) + nanos / kNanosASecond);
  duration.set_nanos(static_cast<int32_t>(nanos % kNanosASecond));
  return duration;
}

}  // namespace backprop::cli
