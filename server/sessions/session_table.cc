// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session_table.h"

#include <new>
#include <random>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/sessions/over_budget.h"
#include "server/sessions/rejection.h"
#include "server/sessions/session_room.h"
#include "server/store/failpoint.h"

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
                                "': it was deleted, or the server restarted "
                                "and did not keep it; ListSessions shows what "
                                "there is"));
}

absl::Status IsInStore(const std::string& id) {
  return Rejection(kStoreFailed,
                   absl::StrCat("session ", id,
                                " is not in memory at this moment: try again"));
}

// So often within its expire_after the store is told that a session is in use.
constexpr int kTellings = 8;

// What the store knows of a session's use: since it was told so. Until it has
// been, the committer has the session, which looks as if that were in use.
bool IsOld(const Session& session, std::chrono::system_clock::time_point told) {
  const auto spec = session.spec();
  return spec->expire_after.count() != 0 &&
         session.last_use() - told >=
             spec->expire_after / kTellings + 2 * spec->durability.max_lag;
}

// Nobody has the session but the table, and nobody has its feed but the
// session. Under the table's lock that stays so: who wants it asks the table.
bool NobodyHas(const std::shared_ptr<Session>& session) {
  return session.use_count() == 1 && session->shared_feed().use_count() == 1;
}

bool IsIdle(const std::shared_ptr<Session>& session) {
  return session->is_durable() && !session->lost() && NobodyHas(session) &&
         session->IsDurable(session->version());
}

}  // namespace

bool IsSessionId(std::string_view text) {
  constexpr size_t kLength = 18;  // as NewId makes them
  return text.size() == kLength && text.starts_with("s-") &&
         text.find_first_not_of("0123456789abcdef", 2) == text.npos;
}

absl::StatusOr<Budget::Reservation> SessionTable::ReservePlace() {
  do {
    auto place = places_.Reserve(1);
    if (place.has_value()) return *std::move(place);
  } while (EvictOldest());
  return Rejection(
      kSessionLimit,
      absl::StrCat("the server holds its maximum of ", limits_.sessions,
                   " sessions (--max-sessions): delete some"));
}

std::optional<Budget::Reservation> SessionTable::ReserveNumbers(
    size_t numbers) {
  if (numbers > numbers_.limit()) return std::nullopt;
  do {
    auto room = numbers_.Reserve(numbers);
    if (room.has_value()) return room;
  } while (EvictOldest());
  return std::nullopt;
}

bool SessionTable::EvictOldest() {
  const std::shared_ptr<Session> session = TakeOldestIdle();
  if (session == nullptr) return false;
  if (evicted_) evicted_(*session);
  return true;
}

std::shared_ptr<Session> SessionTable::TakeOldestIdle() {
  MutexLock lock(mutex_);
  for (size_t left = by_use_.size(); left > 0; --left) {
    Entry& oldest = *by_use_.front();
    if (IsIdle(oldest.session)) return PutAway(oldest);
    // It is in use now, or can't be let go of.
    by_use_.splice(by_use_.end(), by_use_, by_use_.begin());
  }
  return nullptr;
}

std::shared_ptr<Session> SessionTable::PutAway(Entry& entry) {
  MayDieAt(Failpoint::kEvicting);
  by_use_.erase(entry.by_use);
  entry.place = {};
  entry.last_use = entry.session->last_use();
  entry.expire_after = entry.session->spec()->expire_after;
  entry.look_at = entry.session->checkpoints()->NextExpiry();
  return std::move(entry.session);
}

void SessionTable::PutInMemory(Entry& entry, Returned returned) {
  entry.by_use = returned.by_use.begin();
  *entry.by_use = &entry;
  by_use_.splice(by_use_.end(), returned.by_use);
  entry.session = std::move(returned.session);
  entry.place = std::move(returned.place);
  entry.told = std::chrono::system_clock::now();
  entry.session->Use(entry.told);
}

absl::StatusOr<Durable> SessionTable::DurableOf(SessionSpec& spec,
                                                const Layout& layout) const {
  DurabilityMode& mode = spec.durability.mode;
  if (mode == DurabilityMode::kServers) {
    mode = new_durable_ ? DurabilityMode::kDurable : DurabilityMode::kMemory;
  }
  if (mode == DurabilityMode::kMemory) {
    if (!spec.history.any()) return Durable();
    return FieldRejection(kNoStore, "spec.history",
                          "can't be kept: this server keeps sessions in memory "
                          "only; leave it out, or start backpropd with "
                          "--data-dir");
  }
  if (new_durable_) {
    Durable durable = new_durable_(spec, layout);
    absl::Status status = durable.journal->CheckLimits(spec.history);
    if (!status.ok()) return status;
    return durable;
  }
  return FieldRejection(kNoStore, "spec.durability.mode",
                        "is DURABLE, but this server keeps sessions in memory "
                        "only: leave it out, or start backpropd with "
                        "--data-dir");
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::MakeInRoom(
    SessionBirth birth, const SessionSpec& spec, const Layout& layout,
    Durable durable) {
  const size_t numbers = RoomOf(spec, layout);
  auto room = ReserveNumbers(numbers);
  if (!room.has_value()) {
    return OverBudget({.needed = numbers,
                       .limit = limits_.total_weights,
                       .what = "numbers of weights, optimiser state and input "
                               "standardisation",
                       .flags = "--max-total-weights",
                       .field = "spec"},
                      kSessionLimit, "delete some sessions");
  }
  try {
    return std::make_shared<Session>(std::move(birth), spec, layout,
                                     new_feed_(), *std::move(room),
                                     std::move(durable));
  } catch (const std::bad_alloc&) {
    return Rejection(kSessionLimit,
                     absl::StrCat("the machine has no memory left for ",
                                  numbers, " numbers: delete some sessions"));
  }
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::FindByRequest(
    const RequestKey& key) const {
  if (key.request_id.empty()) return nullptr;
  const auto found = id_of_request_.find(key.request_id);
  if (found == id_of_request_.end()) return nullptr;
  const Entry& made = sessions_.at(found->second);
  if (made.request.fingerprint != key.fingerprint) {
    return Rejection(kRequestIdReused,
                     absl::StrCat("request_id made session ", found->second,
                                  " from another spec or initial: use a new "
                                  "request_id"));
  }
  if (made.session == nullptr) return IsInStore(found->second);
  return Use(made);
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::FindMade(
    const RequestKey& key) const {
  MutexLock lock(mutex_);
  return FindByRequest(key);
}

std::string SessionTable::IdMadeBy(const std::string& request_id) const {
  MutexLock lock(mutex_);
  const auto found = id_of_request_.find(request_id);
  return found == id_of_request_.end() ? "" : found->second;
}

absl::StatusOr<SessionTable::Created> SessionTable::Create(
    const Plan& plan, const std::function<void(Session&)>& fill) {
  auto place = ReservePlace();
  if (!place.ok()) return place.status();
  SessionSpec spec = plan.spec;
  auto durable = DurableOf(spec, plan.layout);
  if (!durable.ok()) return durable.status();
  auto made = MakeInRoom(
      {.id = NewId(), .forked_from = plan.forked_from, .request = plan.request},
      spec, plan.layout, *std::move(durable));
  if (!made.ok()) return made.status();
  const std::shared_ptr<Session> session = *std::move(made);
  fill(*session);
  return Add(session, *std::move(place));
}

void SessionTable::AddStored(const std::string& id, const RequestKey& request,
                             Time last_use,
                             std::chrono::nanoseconds expire_after) {
  MutexLock lock(mutex_);
  sessions_.emplace(id, Entry{.request = request,
                              .session = nullptr,
                              .last_use = last_use,
                              .expire_after = expire_after});
  // Two may have it, where the first couldn't be brought back for a while.
  if (!request.request_id.empty()) {
    id_of_request_.try_emplace(request.request_id, id);
  }
}

absl::StatusOr<SessionTable::Returned> SessionTable::BringBack(
    const SessionRecord& record, Durable durable,
    const std::function<absl::Status(Session&)>& fill) {
  auto place = ReservePlace();
  if (!place.ok()) return place.status();
  auto made =
      MakeInRoom(record.birth, record.spec, record.layout, std::move(durable));
  if (!made.ok()) return made.status();
  if (absl::Status status = fill(**made); !status.ok()) return status;
  return Returned{*std::move(made), *std::move(place)};
}

void SessionTable::Show(Returned returned, bool is_used) {
  MutexLock lock(mutex_);
  Entry& entry = sessions_.at(returned.session->id());
  PutInMemory(entry, std::move(returned));
  if (is_used) return;
  entry.session->Use(entry.last_use);
  by_use_.splice(by_use_.begin(), by_use_, entry.by_use);
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::MakeApart(
    const SessionRecord& record,
    const std::function<absl::Status(Session&)>& fill) {
  auto made = MakeInRoom(record.birth, record.spec, record.layout, Durable());
  if (!made.ok()) return made;
  if (absl::Status status = fill(**made); !status.ok()) return status;
  return made;
}

absl::StatusOr<SessionTable::Created> SessionTable::Add(
    const std::shared_ptr<Session>& session, Budget::Reservation place) {
  const RequestKey& key = session->birth().request;
  MutexLock lock(mutex_);
  // The same request may have come twice at once: the first to get here wins.
  auto earlier = FindByRequest(key);
  if (!earlier.ok()) return earlier.status();
  if (*earlier != nullptr) return Created{*std::move(earlier), false};
  const auto made =
      sessions_
          .emplace(session->id(), Entry{.request = key, .session = nullptr})
          .first;
  // Where memory is missing it was never there.
  absl::Cleanup forgets = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Erase(made);
  };
  PutInMemory(made->second, {session, std::move(place)});
  if (!key.request_id.empty()) {
    id_of_request_.emplace(key.request_id, session->id());
  }
  session->BeginCommitting();
  std::move(forgets).Cancel();
  return Created{session, true};
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::Find(
    const std::string& id) const {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound(id);
  if (found->second.session == nullptr) return IsInStore(id);
  return Use(found->second);
}

std::shared_ptr<Session> SessionTable::Use(const Entry& entry) const {
  entry.session->Use(std::chrono::system_clock::now());
  by_use_.splice(by_use_.end(), by_use_, entry.by_use);
  return entry.session;
}

SessionTable::Listed SessionTable::ListedOf(
    const std::pair<const std::string, Entry>& of) {
  const Entry& entry = of.second;
  return {
      of.first, entry.session,
      entry.session == nullptr ? entry.last_use : entry.session->last_use()};
}

std::optional<SessionTable::Listed> SessionTable::Look(
    const std::string& id) const {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return std::nullopt;
  return ListedOf(*found);
}

std::vector<SessionTable::Listed> SessionTable::List(const std::string& after,
                                                     size_t count) const {
  std::vector<Listed> page;
  MutexLock lock(mutex_);
  for (auto it = sessions_.upper_bound(after);
       it != sessions_.end() && page.size() < count; ++it) {
    page.push_back(ListedOf(*it));
  }
  return page;
}

void SessionTable::ForgetOldDeltas(DeltaFeed::Clock::time_point now) const {
  MutexLock lock(mutex_);
  for (const Entry* const entry : by_use_) entry->session->feed().Expire(now);
}

std::vector<std::shared_ptr<Session>> SessionTable::HoldingInVain(
    Time now) const {
  std::vector<std::shared_ptr<Session>> holding;
  MutexLock lock(mutex_);
  for (const Entry* const entry : by_use_) {
    if (entry->session->HoldsInVain(now)) holding.push_back(entry->session);
  }
  return holding;
}

void SessionTable::SeeUse(Time now) {
  MutexLock lock(mutex_);
  for (Entry* const entry : by_use_) {
    Session& session = *entry->session;
    if (!NobodyHas(entry->session)) session.Use(now);
    if (!session.is_durable() || !IsOld(session, entry->told)) continue;
    entry->told = session.last_use();
    session.BeginCommitting();
  }
}

void SessionTable::EvictIdle(Time now, std::chrono::seconds idle_for) {
  std::vector<std::shared_ptr<Session>> idle;
  {
    MutexLock lock(mutex_);
    for (auto it = by_use_.begin(); it != by_use_.end();) {
      Entry& entry = **it++;
      if (now - entry.session->last_use() < idle_for) continue;
      if (!IsIdle(entry.session)) continue;
      idle.emplace_back();  // first, for who leaves must be told of
      idle.back() = PutAway(entry);
    }
  }
  if (!idle.empty()) MayDieAt(Failpoint::kEvicted);
  for (const auto& session : idle) {
    if (evicted_) evicted_(*session);
  }
}

void SessionTable::ForgetExpiredCheckpoints(Checkpoint::Time now) const {
  std::vector<std::shared_ptr<Session>> changed;
  {
    MutexLock lock(mutex_);
    for (const Entry* const entry : by_use_) {
      if (!entry->session->checkpoints()->Expired(now).empty()) {
        changed.push_back(entry->session);
      }
    }
  }
  for (const auto& session : changed) session->BeginCommitting();
}

std::vector<std::shared_ptr<Session>> SessionTable::DeleteExpired(Time now) {
  std::vector<std::shared_ptr<Session>> expired;
  MutexLock lock(mutex_);
  for (auto it = by_use_.begin(); it != by_use_.end();) {
    const std::shared_ptr<Session>& session = (*it++)->session;
    const auto after = session->spec()->expire_after;
    if (after.count() == 0 || now - session->last_use() < after) continue;
    if (!NobodyHas(session)) continue;
    expired.push_back(session);  // first, for who is closed must be told of
    if (session->Close().ok()) {
      Erase(sessions_.find(session->id()));
    } else {
      expired.pop_back();
    }
  }
  return expired;
}

bool SessionTable::IsExpired(const Entry& entry, Time now) {
  return entry.session == nullptr && entry.expire_after.count() != 0 &&
         now - entry.last_use >= entry.expire_after;
}

std::vector<std::string> SessionTable::ListExpired(Time now,
                                                   size_t most) const {
  std::vector<std::string> expired;
  MutexLock lock(mutex_);
  for (const auto& [id, entry] : sessions_) {
    if (expired.size() == most) break;
    if (IsExpired(entry, now)) expired.push_back(id);
  }
  return expired;
}

std::vector<std::string> SessionTable::ListToLookAt(Time now,
                                                    size_t most) const {
  std::vector<std::string> found;
  MutexLock lock(mutex_);
  for (const auto& [id, entry] : sessions_) {
    if (found.size() == most) break;
    if (entry.session == nullptr && entry.look_at <= now) found.push_back(id);
  }
  return found;
}

void SessionTable::LookAgain(const std::string& id, Time then) {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found != sessions_.end()) found->second.look_at = then;
}

bool SessionTable::IsExpired(const std::string& id, Time now) const {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  return found != sessions_.end() && IsExpired(found->second, now);
}

absl::StatusOr<std::shared_ptr<Session>> SessionTable::Delete(
    const std::string& id) {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound(id);
  std::shared_ptr<Session> session = found->second.session;
  if (session == nullptr) return IsInStore(id);
  if (absl::Status status = session->Close(); !status.ok()) return status;
  Erase(found);
  return session;
}

absl::Status SessionTable::DeleteStored(const std::string& id) {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound(id);
  Erase(found);
  return absl::OkStatus();
}

void SessionTable::Erase(std::map<std::string, Entry>::iterator entry) {
  const auto request = id_of_request_.find(entry->second.request.request_id);
  if (request != id_of_request_.end() && request->second == entry->first) {
    id_of_request_.erase(request);
  }
  if (entry->second.session != nullptr) by_use_.erase(entry->second.by_use);
  sessions_.erase(entry);
}

}  // namespace backprop
