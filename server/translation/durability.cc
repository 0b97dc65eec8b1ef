// SPDX-License-Identifier: Apache-2.0
#include "server/translation/durability.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "server/translation/timestamp.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastLag(1);
constexpr milliseconds kLongestLag = std::chrono::hours(1);
constexpr std::chrono::minutes kLeastExpiry(1);
constexpr std::chrono::hours kLongestExpiry(10 * 365 * 24);
constexpr int64_t kNanosAMilli = 1'000'000;

// Nothing that lies outside fits.
bool IsLag(const google::protobuf::Duration& proto) {
  const int64_t most = kLongestLag / std::chrono::seconds(1);
  if (proto.seconds() < 0 || proto.seconds() > most) return false;
  if (proto.nanos() < 0 || proto.nanos() >= 1'000 * kNanosAMilli) return false;
  const milliseconds lag(proto.seconds() * 1'000 +
                         proto.nanos() / kNanosAMilli);
  return lag >= kLeastLag && lag <= kLongestLag;
}

}  // namespace

void DurabilityFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                         std::vector<FieldViolation>& violations) {
  if (!proto.has_durability()) return;
  const v1::Durability& from = proto.durability();
  spec->durability.mode = static_cast<DurabilityMode>(from.mode());
  if (from.mode() != v1::DURABILITY_MODE_MEMORY &&
      from.mode() != v1::DURABILITY_MODE_DURABLE) {
    violations.push_back({"spec.durability.mode", "must be MEMORY or DURABLE"});
  }
  if (!from.has_max_lag()) return;
  if (from.mode() == v1::DURABILITY_MODE_MEMORY) {
    violations.push_back({"spec.durability.max_lag",
                          "can't be set with MEMORY, which is never durable"});
  } else if (!IsLag(from.max_lag())) {
    violations.push_back({"spec.durability.max_lag",
                          absl::StrCat("is ", from.max_lag().seconds(), " s ",
                                       from.max_lag().nanos(),
                                       " ns; must be from 1 ms to 1 h")});
  } else {
    spec->durability.max_lag =
        milliseconds(from.max_lag().seconds() * 1'000 +
                     from.max_lag().nanos() / kNanosAMilli);
  }
}

void DurabilityToProto(const Durability& durability, v1::SessionSpec* proto) {
  if (durability.mode == DurabilityMode::kServers) return;
  v1::Durability& to = *proto->mutable_durability();
  to.set_mode(static_cast<v1::DurabilityMode>(durability.mode));
  if (durability.mode != DurabilityMode::kDurable) return;
  const int64_t millis = durability.max_lag.count();
  to.mutable_max_lag()->set_seconds(millis / 1'000);
  to.mutable_max_lag()->set_nanos(
      static_cast<int32_t>(millis % 1'000 * kNanosAMilli));
}

void ExpiryFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                     std::vector<FieldViolation>& violations) {
  if (!proto.has_expire_after()) return;
  const auto after = DurationFromProto(proto.expire_after());
  if (after.has_value() && *after >= kLeastExpiry && *after <= kLongestExpiry) {
    spec->expire_after = *after;
    return;
  }
  violations.push_back(
      {"spec.expire_after",
       absl::StrCat("is ", proto.expire_after().seconds(), " s ",
                    proto.expire_after().nanos(),
                    " ns; must be from 1 min to 10 years, or be left out, for "
                    "a session that stays")});
}

void ExpiryToProto(std::chrono::nanoseconds expire_after,
                   v1::SessionSpec* proto) {
  if (expire_after.count() == 0) return;
  DurationToProto(expire_after, proto->mutable_expire_after());
}

}  // namespace backprop
