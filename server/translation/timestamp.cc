// SPDX-License-Identifier: Apache-2.0
#include "server/translation/timestamp.h"

namespace backprop {

void TimeToProto(std::chrono::system_clock::time_point time,
                 google::protobuf::Timestamp* proto) {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  const auto since_epoch = time.time_since_epoch();
  const auto whole = std::chrono::duration_cast<seconds>(since_epoch);
  proto->set_seconds(whole.count());
  proto->set_nanos(static_cast<int32_t>(
      std::chrono::duration_cast<nanoseconds>(since_epoch - whole).count()));
}

}  // namespace backprop
