// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/committer.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/store/failpoint.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;

// For so long a commit waits for sessions that are due to hand over: longer
// than a turn of ordinary nets. Who comes later is in the next.
constexpr milliseconds kLongestGathering(10);
// And for the first of those that found no room the last time: its turns may be
// long, as it is large.
constexpr milliseconds kPatienceForTheFirst(1000);
// From a commit that failed to the next attempt.
constexpr milliseconds kRetryPause(500);

absl::Status StoreFailed(const absl::Status& cause) {
  return Rejection(
      kStoreFailed,
      absl::StrCat("what was done is not durable yet: ", cause.message(),
                   "; the server tries again by itself"));
}

// Of one for which nobody has to wait any more.
absl::Status StatusOf(const Session& session) {
  return LossOf(session.id(), session.loss());
}

// One for whom there is no memory keeps nobody else from hearing.
template <typename Status>
void Tell(const Committer::Done& done, Status status) {
  CatchOutOfMemory([&] { done(status()); }).IgnoreError();
}

// The end of a session that the store never knew: there is nothing to do there.
bool IsOfNothing(const Handover& handover) {
  return handover.change.erase && handover.change.expected_epoch == 0 &&
         !handover.change.damaged;
}

}  // namespace

Committer::Committer(Store& store, ComputePool& pool, milliseconds interval,
                     std::function<void(const Attempt&)> report,
                     Undurable& undurable)
    : store_(store),
      pool_(pool),
      interval_(interval),
      report_(std::move(report)),
      undurable_(undurable),
      thread_([this] { Run(); }) {}

Committer::~Committer() { Stop(); }

void Committer::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Committer::Note(const std::shared_ptr<Session>& session) {
  const milliseconds lag = session->spec()->durability.max_lag;
  const auto promised = Clock::now() + std::max(lag, interval_);
  MutexLock lock(mutex_);
  const auto [noted, is_new] = noted_.try_emplace(
      session->id(), Noted{session, promised - interval_, promised});
  if (!is_new) noted->second.again = noted->second.asked;
  changed_.NotifyAll();
}

void Committer::Take(std::list<Handover> handovers) {
  MutexLock lock(mutex_);
  Promise(Clock::now() + interval_);
  ready_.splice(ready_.end(), handovers);
  changed_.NotifyAll();
}

void Committer::Promise(Clock::time_point promised) {
  promised_ = std::min(promised_, promised);
}

Committer::Clock::duration Committer::Delay() const {
  MutexLock lock(mutex_);
  auto first = promised_;
  for (const auto& [id, noted] : noted_) {
    first = std::min(first, noted.promised);
  }
  const auto now = Clock::now();
  return first < now ? now - first : Clock::duration(0);
}

void Committer::Await(const std::shared_ptr<Session>& session, Done done) {
  const uint64_t version = session->version();
  {
    MutexLock lock(mutex_);
    if (!session->IsDurable(version) && !session->lost()) {
      waiters_.push_back({session, version, std::move(done)});
      urgent_ = true;
      changed_.NotifyAll();
      return;
    }
  }
  done(StatusOf(*session));
}

void Committer::Erase(const SessionHead& head, Done done) {
  Handover end;
  end.change.head.id = head.id;
  end.change.head.epoch = head.epoch;
  end.change.expected_epoch = head.epoch;
  end.change.erase = true;
  end.change.damaged = head.epoch == 0;
  MutexLock lock(mutex_);
  erasers_.push_back({head.id, std::move(done)});
  ready_.push_back(std::move(end));
  urgent_ = true;
  changed_.NotifyAll();
}

void Committer::Run() {
  Clock::time_point next = Clock::now();
  while (AwaitDue(next)) {
    next = Clock::now() + interval_;
    if (!CommitDue(next, kLongestGathering)) next = Clock::now() + kRetryPause;
  }
  CommitRest();
}

void Committer::CommitRest() {
  // Those before first; then all that is left, whenever it is due.
  if (!changes_.empty() && !CommitDue({}, {})) return;
  while (CommitDue(Clock::time_point::max(), std::chrono::hours(1))) {
    MutexLock lock(mutex_);
    if (!crowded_) return;
  }
}

bool Committer::CommitDue(Clock::time_point until, Clock::duration patience) {
  bool committed = false;
  const absl::Status status = CatchOutOfMemory([&] {
    if (changes_.empty()) Gather(until, patience);
    committed = CommitChanges();
  });
  return status.ok() && committed;
}

bool Committer::AwaitDue(Clock::time_point next) {
  MutexLock lock(mutex_);
  while (!stopping_) {
    const Clock::time_point due = NextDue(next);
    if (due <= Clock::now()) return true;
    if (due == Clock::time_point::max()) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitUntil(mutex_, due);
    }
  }
  return false;
}

Committer::Clock::time_point Committer::NextDue(Clock::time_point next) const {
  if (!changes_.empty()) return next;
  if (urgent_) return Clock::time_point::min();
  if (!ready_.empty()) return next;
  auto first = Clock::time_point::max();
  for (const auto& [id, noted] : noted_) {
    if (!noted.asked) first = std::min(first, noted.due);
  }
  return std::max(first, next);
}

std::vector<std::shared_ptr<Session>> Committer::AskDue(Clock::time_point until,
                                                        size_t most) {
  for (const Waiter& waiter : waiters_) {
    const auto noted = noted_.find(waiter.session->id());
    if (noted != noted_.end()) noted->second.due = Clock::time_point::min();
  }
  std::vector<Noted*> due;
  due.reserve(noted_.size());
  for (auto& [id, noted] : noted_) {
    if (!noted.asked && noted.due <= until) due.push_back(&noted);
  }
  std::ranges::sort(due, {}, &Noted::promised);
  if (due.size() > most) due.resize(most);
  std::vector<std::shared_ptr<Session>> asked;
  asked.reserve(due.size());
  for (Noted* const noted : due) {
    noted->asked = true;
    asked.push_back(noted->session);
  }
  asked_ += asked.size();
  return asked;
}

void Committer::Gather(Clock::time_point until, Clock::duration patience) {
  bool crowded = false;
  {
    MutexLock lock(mutex_);
    crowded = std::exchange(crowded_, false);
  }
  if (crowded) AskAndWait(until, 1, kPatienceForTheFirst);
  AskAndWait(until, std::numeric_limits<size_t>::max(), patience);
  MutexLock lock(mutex_);
  changes_.splice(changes_.end(), ready_);
}

void Committer::AskAndWait(Clock::time_point until, size_t most,
                           Clock::duration patience) {
  std::vector<std::shared_ptr<Session>> due;
  {
    MutexLock lock(mutex_);
    due = AskDue(until, most);
    urgent_ = false;
  }
  for (const auto& session : due) Ask(session);
  const auto deadline = Clock::now() + patience;
  MutexLock lock(mutex_);
  while (asked_ > 0 && changed_.WaitUntil(mutex_, deadline)) {
  }
}

void Committer::Ask(const std::shared_ptr<Session>& session) {
  try {
    pool_.Submit(session->lane(),
                 [this, session](Worker&) { TakeHandover(session); });
  } catch (const std::bad_alloc&) {
    MutexLock lock(mutex_);
    AskLater(*session, Clock::now() + kRetryPause);
  }
}

void Committer::TakeHandover(const std::shared_ptr<Session>& session) {
  try {
    // Room first: what was handed over must not be lost.
    std::list<Handover> taken(1);
    auto room = undurable_.HandOver(session->BytesToHandOver());
    if (!room.has_value()) {
      MutexLock lock(mutex_);
      crowded_ = true;
      return AskLater(*session, Clock::now());
    }
    std::optional<Handover> handover = session->HandOver();
    MayDieAt(Failpoint::kHandedOver);
    MutexLock lock(mutex_);
    const auto noted = noted_.find(session->id());
    if (handover.has_value()) {
      taken.front() = *std::move(handover);
      taken.front().TakeRoom(*std::move(room));
      ready_.splice(ready_.end(), taken);
      Promise(noted->second.promised);
    }
    if (std::exchange(noted->second.again, false)) {
      noted->second.asked = false;
      noted->second.promised = Clock::now() + interval_;
    } else {
      noted_.erase(noted);
    }
    --asked_;
    changed_.NotifyAll();
  } catch (const std::bad_alloc&) {
    MutexLock lock(mutex_);
    AskLater(*session, Clock::now() + kRetryPause);
  }
}

void Committer::AskLater(const Session& session, Clock::time_point due) {
  Noted& noted = noted_.at(session.id());
  noted.asked = false;
  noted.due = due;
  --asked_;
  changed_.NotifyAll();
}

bool Committer::CommitChanges() {
  if (changes_.empty()) return true;
  Attempt attempt{.sessions = changes_.size()};
  size_t removed = 0;
  for (const Handover& each : changes_) {
    attempt.bytes += each.bytes();
    removed += each.change.remove_bytes;
  }
  const auto start = Clock::now();
  std::vector<ChangeOutcome> outcomes;
  undurable_.BeginAttempt(attempt.bytes + removed);
  attempt.status = CatchOutOfMemory([&] { return Commit(&outcomes); });
  undurable_.EndAttempt(attempt.status.ok());
  attempt.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  // The store, which has taken them, must not be given them again, whatever
  // there is no memory for from here on.
  std::list<Handover> committed;
  if (attempt.status.ok()) committed.swap(changes_);
  for (Handover& each : committed) each.room = {};
  CatchOutOfMemory([&] {
    attempt.damaged = Damaged(committed, outcomes);
    if (report_) report_(attempt);
  }).IgnoreError();
  if (attempt.status.ok()) {
    Conclude(committed, outcomes);
  } else {
    FailWaiters(StoreFailed(attempt.status));
  }
  return attempt.status.ok();
}

absl::Status Committer::Commit(std::vector<ChangeOutcome>* outcomes) {
  const auto given = std::ranges::count_if(changes_, std::not_fn(IsOfNothing));
  std::vector<SessionChange> changes(static_cast<size_t>(given));
  const auto swap_all = [&] {
    auto change = changes.begin();
    for (Handover& each : changes_) {
      if (!IsOfNothing(each)) std::swap(*change++, each.change);
    }
  };
  swap_all();
  const auto put_back = absl::MakeCleanup(swap_all);
  auto done = store_.Commit(changes);
  absl::Status status = done.status();
  if (status.ok()) *outcomes = *std::move(done);
  return status;
}

// outcomes: of each of committed that the store was given.
std::vector<std::string> Committer::Damaged(
    const std::list<Handover>& committed,
    const std::vector<ChangeOutcome>& outcomes) {
  std::vector<std::string> ids;
  auto next = outcomes.begin();
  for (const Handover& each : committed) {
    if (next == outcomes.end()) break;
    if (IsOfNothing(each)) continue;
    if (*next++ == ChangeOutcome::kDamaged) ids.push_back(each.change.head.id);
  }
  return ids;
}

void Committer::Conclude(const std::list<Handover>& committed,
                         const std::vector<ChangeOutcome>& outcomes) {
  auto next = outcomes.begin();
  for (const Handover& each : committed) {
    const ChangeOutcome outcome =
        IsOfNothing(each) ? ChangeOutcome::kTaken : *next++;
    if (each.session == nullptr) {
      ConcludeErase(each.change.head.id, outcome);
    } else if (outcome == ChangeOutcome::kTaken) {
      each.session->Committed(each);
      MayDieAt(Failpoint::kSessionTold);
      if (each.committed) each.committed();
    } else {
      each.session->Lose(outcome);
    }
  }
  std::list<Waiter> answered;
  {
    MutexLock lock(mutex_);
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      const auto waiter = it++;
      const Session& session = *waiter->session;
      if (!session.lost() && !session.IsDurable(waiter->version)) continue;
      answered.splice(answered.end(), waiters_, waiter);
    }
    if (!waiters_.empty()) urgent_ = true;
    promised_ = ready_.empty() ? Clock::time_point::max() : Clock::now();
  }
  for (const Waiter& each : answered) {
    MayDieAt(Failpoint::kWaiterTold);
    Tell(each.done, [&] { return StatusOf(*each.session); });
  }
}

void Committer::ConcludeErase(const std::string& id, ChangeOutcome outcome) {
  std::list<Eraser> told;
  {
    MutexLock lock(mutex_);
    const auto eraser = std::ranges::find(erasers_, id, &Eraser::id);
    if (eraser != erasers_.end()) told.splice(told.end(), erasers_, eraser);
  }
  for (const Eraser& each : told) {
    Tell(each.done, [&] { return LossOf(id, outcome); });
  }
}

void Committer::FailWaiters(const absl::Status& status) {
  std::list<Waiter> waiters;
  std::list<Eraser> erasers;
  {
    MutexLock lock(mutex_);
    waiters.swap(waiters_);
    erasers.swap(erasers_);
    urgent_ = false;
  }
  const auto why = [&] { return status; };
  for (const Waiter& waiter : waiters) Tell(waiter.done, why);
  for (const Eraser& eraser : erasers) Tell(eraser.done, why);
}

}  // namespace backprop
