// SPDX-License-Identifier: Apache-2.0
#include "server/translation/checkpoint.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/translation/timestamp.h"

namespace backprop {
namespace {

constexpr size_t kLongestName = 128;
// A hundred years.
constexpr int64_t kLongestSeconds = int64_t{100} * 365 * 24 * 60 * 60;

bool MayBeInName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

void CheckpointToProto(const std::string& session_id,
                       const Checkpoint& checkpoint, v1::Checkpoint* proto) {
  proto->set_session_id(session_id);
  proto->set_name(checkpoint.name);
  proto->set_step(checkpoint.step);
  proto->set_next_offset(checkpoint.next_offset);
  proto->set_epoch(checkpoint.epoch);
  proto->set_digest(checkpoint.digest);
  TimeToProto(checkpoint.create_time, proto->mutable_create_time());
  if (checkpoint.expire_time.has_value()) {
    TimeToProto(*checkpoint.expire_time, proto->mutable_expire_time());
  }
  proto->set_pinned(checkpoint.pinned);
  proto->set_stored_bytes(checkpoint.stored_bytes);
}

absl::Status CheckCheckpointName(const std::string& name,
                                 std::string_view field) {
  if (name.empty()) return InvalidField(field, "is required");
  if (name.size() <= kLongestName && std::ranges::all_of(name, MayBeInName)) {
    return absl::OkStatus();
  }
  return InvalidField(
      field, absl::StrCat("has ", name.size(), " bytes; must be 1 to ",
                          kLongestName, " letters, digits, '.', '_' and '-'"));
}

absl::StatusOr<Checkpoint::Time> ExpireTimeFromProto(
    const google::protobuf::Duration& expire_after, Checkpoint::Time now) {
  constexpr int32_t kNanosASecond = 1'000'000'000;
  const int64_t seconds = expire_after.seconds();
  const int32_t nanos = expire_after.nanos();
  if (seconds < 1 || seconds > kLongestSeconds || nanos < 0 ||
      nanos >= kNanosASecond) {
    return InvalidField(
        "expire_after",
        absl::StrCat("is ", seconds, " s ", nanos, " ns; must be from 1 s to ",
                     kLongestSeconds, " s, a hundred years"));
  }
  return now + std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos);
}

}  // namespace backprop
