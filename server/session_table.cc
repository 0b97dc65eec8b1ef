// SPDX-License-Identifier: Apache-2.0
#include "server/session_table.h"

#include <new>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/rejection.h"

namespace backprop {
namespace {

// 64 random bits: ids can't be guessed from one another in practice, but they
// are names, not secrets.
std::string NewId() {
  std::random_device random;
  return absl::StrFormat("s-%08x%08x", random(), random());
}

absl::Status NotFound(const std::string& id) {
  return Rejection(kSessionNotFound,
                   absl::StrCat("there is no session '", id,
                                "': it was deleted, or the server restarted; "
                                "ListSessions shows what there is"));
}

}  // namespace

bool IsSessionId(std::string_view text) {
  constexpr size_t kLength = 18;  // as NewId makes them
  return text.size() == kLength && text.starts_with("s-") &&
         text.find_first_not_of("0123456789abcdef", 2) == text.npos;
}

absl::Status SessionTable::Reserve(size_t weights) {
  std::lock_guard lock(mutex_);
  if (reserved_sessions_ >= limits_.sessions) {
    return Rejection(
        kSessionLimit,
        absl::StrCat("the server holds its maximum of ", limits_.sessions,
                     " sessions (--max-sessions): delete some"));
  }
  if (weights > limits_.total_weights - reserved_weights_) {
    return Rejection(
        kSessionLimit,
        absl::StrCat("the session's ", weights, " weights do not fit beside ",
                     reserved_weights_, " others within ",
                     limits_.total_weights,
                     " (--max-total-weights): delete some sessions"));
  }
  ++reserved_sessions_;
  reserved_weights_ += weights;
  return absl::OkStatus();
}

void SessionTable::Release(size_t weights) {
  --reserved_sessions_;
  reserved_weights_ -= weights;
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::FindByRequest(
    const RequestKey& key) const {
  if (key.request_id.empty()) return nullptr;
  const auto found = id_of_request_.find(key.request_id);
  if (found == id_of_request_.end()) return nullptr;
  const Entry& entry = sessions_.at(found->second);
  if (entry.key.fingerprint != key.fingerprint) {
    return Rejection(kRequestIdReused,
                     absl::StrCat("request_id made session ", found->second,
                                  " from another spec or other weights: use a "
                                  "new request_id"));
  }
  return entry.session;
}

absl::StatusOr<SessionTable::Created> SessionTable::Create(
    const SessionSpec& spec, const Layout& layout, const RequestKey& key,
    const std::function<void(Session&)>& fill) {
  {
    std::lock_guard lock(mutex_);
    auto earlier = FindByRequest(key);
    if (!earlier.ok()) return earlier.status();
    if (*earlier != nullptr) return Created{*std::move(earlier), false};
  }
  if (absl::Status status = Reserve(layout.weight_count()); !status.ok()) {
    return status;
  }
  std::shared_ptr<Session> session;
  try {
    session = std::make_shared<Session>(NewId(), spec, layout);
  } catch (const std::bad_alloc&) {
    std::lock_guard lock(mutex_);
    Release(layout.weight_count());
    return Rejection(
        kSessionLimit,
        absl::StrCat("the machine has no memory left for ",
                     layout.weight_count(), " weights: delete some sessions"));
  }
  fill(*session);

  std::lock_guard lock(mutex_);
  // The same request may have come twice at once: the first to get here wins.
  auto earlier = FindByRequest(key);
  if (!earlier.ok() || *earlier != nullptr) {
    Release(layout.weight_count());
    if (!earlier.ok()) return earlier.status();
    return Created{*std::move(earlier), false};
  }
  sessions_.emplace(session->id(), Entry{session, key});
  if (!key.request_id.empty()) {
    id_of_request_.emplace(key.request_id, session->id());
  }
  return Created{std::move(session), true};
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::Find(
    const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound(id);
  return found->second.session;
}

std::vector<std::shared_ptr<Session>> SessionTable::List(
    const std::string& after, size_t count) const {
  std::vector<std::shared_ptr<Session>> page;
  std::lock_guard lock(mutex_);
  for (auto it = sessions_.upper_bound(after);
       it != sessions_.end() && page.size() < count; ++it) {
    page.push_back(it->second.session);
  }
  return page;
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::Delete(
    const std::string& id) {
  std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound(id);
  std::shared_ptr<Session> session = found->second.session;
  if (absl::Status status = session->Close(); !status.ok()) return status;
  id_of_request_.erase(found->second.key.request_id);
  sessions_.erase(found);
  Release(session->layout().weight_count());
  return session;
}

}  // namespace backprop
