// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_TRANSLATION_TIMESTAMP_H_
#define BACKPROP_SERVER_TRANSLATION_TIMESTAMP_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <optional>

namespace backprop {

// A moment since 1970, to the nanosecond.
void TimeToProto(std::chrono::system_clock::time_point time,
                 google::protobuf::Timestamp* proto);
// What that gave; any moment for anything else.
std::chrono::system_clock::time_point TimeFromProto(
    const google::protobuf::Timestamp& proto);

// A length of time. Nothing where the message is none, or is negative or longer
// than a century.
std::optional<std::chrono::nanoseconds> DurationFromProto(
    const google::protobuf::Duration& proto);
void DurationToProto(std::chrono::nanoseconds duration,
                     google::protobuf::Duration* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_TIMESTAMP_H_
