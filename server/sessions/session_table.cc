// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session_table.h"

#include <new>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/sessions/over_budget.h"
#include "server/sessions/rejection.h"

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

// A session and the numbers that it takes of the budget.
struct SessionTable::SessionInRoom {
  explicit SessionInRoom(Budget::Reservation numbers)
      : room(std::move(numbers)) {}

  Budget::Reservation room;  // given back when the session has been freed
  std::optional<Session> session;
};

absl::StatusOr<std::shared_ptr<Session>> SessionTable::MakeInRoom(
    const SessionSpec& spec, const Layout& layout) {
  const size_t numbers = NumbersHeld(spec, layout);
  auto room = numbers_.Reserve(numbers);
  if (!room.has_value()) {
    return OverBudget({.needed = numbers,
                       .limit = limits_.total_weights,
                       .what = "numbers of weights, optimiser state and input "
                               "standardisation",
                       .flags = "--max-total-weights",
                       .field = "spec"},
                      kSessionLimit, "delete some sessions");
  }
  const auto made = std::make_shared<SessionInRoom>(*std::move(room));
  try {
    made->session.emplace(NewId(), spec, layout, new_feed_());
  } catch (const std::bad_alloc&) {
    return Rejection(kSessionLimit,
                     absl::StrCat("the machine has no memory left for ",
                                  numbers, " numbers: delete some sessions"));
  }
  return std::shared_ptr<Session>(made, &*made->session);
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
                                  " from another spec or initial: use a new "
                                  "request_id"));
  }
  return entry.session;
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::FindMade(
    const RequestKey& key) const {
  MutexLock lock(mutex_);
  return FindByRequest(key);
}

absl::StatusOr<SessionTable::Created> SessionTable::Create(
    const SessionSpec& spec, const Layout& layout, const RequestKey& key,
    const std::function<void(Session&)>& fill) {
  auto place = places_.Reserve(1);
  if (!place.has_value()) {
    return Rejection(
        kSessionLimit,
        absl::StrCat("the server holds its maximum of ", limits_.sessions,
                     " sessions (--max-sessions): delete some"));
  }
  auto made = MakeInRoom(spec, layout);
  if (!made.ok()) return made.status();
  const std::shared_ptr<Session> session = *std::move(made);
  fill(*session);
  return Add(session, key, *std::move(place));
}

absl::StatusOr<SessionTable::Created> SessionTable::Add(
    const std::shared_ptr<Session>& session, const RequestKey& key,
    Budget::Reservation place) {
  MutexLock lock(mutex_);
  // The same request may have come twice at once: the first to get here wins.
  auto earlier = FindByRequest(key);
  if (!earlier.ok()) return earlier.status();
  if (*earlier != nullptr) return Created{*std::move(earlier), false};
  sessions_.emplace(session->id(), Entry{session, key, std::move(place)});
  if (!key.request_id.empty()) {
    id_of_request_.emplace(key.request_id, session->id());
  }
  return Created{session, true};
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::Find(
    const std::string& id) const {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound(id);
  return found->second.session;
}

std::vector<std::shared_ptr<Session>> SessionTable::List(
    const std::string& after, size_t count) const {
  std::vector<std::shared_ptr<Session>> page;
  MutexLock lock(mutex_);
  for (auto it = sessions_.upper_bound(after);
       it != sessions_.end() && page.size() < count; ++it) {
    page.push_back(it->second.session);
  }
  return page;
}

void SessionTable::ForgetOldDeltas(DeltaFeed::Clock::time_point now) const {
  MutexLock lock(mutex_);
  for (const auto& [id, entry] : sessions_) entry.session->feed().Expire(now);
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::Delete(
    const std::string& id) {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound(id);
  std::shared_ptr<Session> session = found->second.session;
  if (absl::Status status = session->Close(); !status.ok()) return status;
  id_of_request_.erase(found->second.key.request_id);
  sessions_.erase(found);
  return session;
}

}  // namespace backprop
