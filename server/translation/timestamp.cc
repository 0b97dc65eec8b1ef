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

std::chrono::system_clock::time_point TimeFromProto(
    const google::protobuf::Timestamp& proto) {
  // Unsigned: what is out of range wraps.
  constexpr uint64_t kNanosASecond = 1'000'000'000;
  const uint64_t nanos =
      static_cast<uint64_t>(proto.seconds()) * kNanosASecond +
      static_cast<uint64_t>(proto.nanos());
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::nanoseconds(static_cast<int64_t>(nanos))));
}

std::optional<std::chrono::nanoseconds> DurationFromProto(
    const google::protobuf::Duration& proto) {
  constexpr int64_t kCentury = int64_t{36525} * 24 * 3600;
  constexpr int32_t kNanosASecond = 1'000'000'000;
  if (proto.seconds() < 0 || proto.seconds() > kCentury || proto.nanos() < 0 ||
      proto.nanos() >= kNanosASecond) {
    return std::nullopt;
  }
  return std::chrono::seconds(proto.seconds()) +
         std::chrono::nanoseconds(proto.nanos());
}

void DurationToProto(std::chrono::nanoseconds duration,
                     google::protobuf::Duration* proto) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(duration);
  proto->set_seconds(whole.count());
  proto->set_nanos(static_cast<int32_t>((duration - whole).count()));
}

}  // namespace backprop
