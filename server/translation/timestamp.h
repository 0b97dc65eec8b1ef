// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_TRANSLATION_TIMESTAMP_H_
#define BACKPROP_SERVER_TRANSLATION_TIMESTAMP_H_

#include <google/protobuf/timestamp.pb.h>

#include <chrono>

namespace backprop {

// A moment since 1970, to the nanosecond.
void TimeToProto(std::chrono::system_clock::time_point time,
                 google::protobuf::Timestamp* proto);
// What that gave; any moment for anything else.
std::chrono::system_clock::time_point TimeFromProto(
    const google::protobuf::Timestamp& proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_TIMESTAMP_H_
