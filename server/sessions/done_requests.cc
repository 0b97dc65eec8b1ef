// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/done_requests.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"

namespace backprop {

absl::StatusOr<std::optional<uint64_t>> DoneRequests::Find(
    const RequestKey& key) const {
  if (key.request_id.empty()) return std::nullopt;
  const auto found = std::ranges::find_if(all_, [&](const DoneRequest& each) {
    return each.key.request_id == key.request_id;
  });
  if (found == all_.end()) return std::nullopt;
  if (found->key.fingerprint == key.fingerprint) return found->result;
  return Rejection(kRequestIdReused,
                   absl::StrCat("request_id ", key.request_id,
                                " was used before, for another request: choose "
                                "a new one for each"));
}

void DoneRequests::Add(DoneRequest done) {
  if (done.key.request_id.empty()) return;
  all_.push_back(std::move(done));
  ++added_;
  if (all_.size() > kMost) all_.erase(all_.begin());
}

std::vector<DoneRequest> DoneRequests::Since(uint64_t added) const {
  const auto count = static_cast<std::ptrdiff_t>(
      std::min<uint64_t>(added_ - added, all_.size()));
  return {all_.end() - count, all_.end()};
}

}  // namespace backprop
