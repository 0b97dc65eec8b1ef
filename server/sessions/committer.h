// SPDX-License-Identifier: Apache-2.0
//
// The thread that makes sessions durable. All that have changed are committed
// together, in one transaction, every interval or sooner where somebody waits.
// What each adds is handed over in a turn of its lane, which only copies; the
// disk is waited for here and nowhere else.
//
//   a turn changes a session ──Note──▶ noted ──HandOver, in a turn──▶ ready
//                                        ──store.Commit──▶ session.Committed
//
// When a commit fails, its changes are kept and committed again until that
// works, and nothing later is: what is durable stands still, and those who wait
// are told why. Sessions go on training meanwhile; each holds what it did since
// its last hand-over, as much as GatheredSteps gathers at most, and all
// together as much as undurable() says. No more than that is handed over at
// once, either; but for one session, however large: where some found no room,
// the one whose time came first is asked before all others.
#ifndef BACKPROP_SERVER_SESSIONS_COMMITTER_H_
#define BACKPROP_SERVER_SESSIONS_COMMITTER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/session.h"
#include "server/sessions/undurable.h"
#include "server/store/store.h"
#include "server/threads/mutex.h"

namespace backprop {

class Committer : public CommitQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Done = std::function<void(const absl::Status&)>;

  // An attempt to commit.
  struct Attempt {
    absl::Status status = {};
    // Sessions whose records in the store are damaged: they were left out, and
    // are from here on.
    std::vector<std::string> damaged = {};
    size_t sessions = 0;
    size_t bytes = 0;  // of their pieces and heads
    double seconds = 0;
  };

  // store and pool must outlive the object, undurable also all sessions that it
  // commits. report: told of each attempt, from the committer's thread.
  Committer(Store& store, ComputePool& pool, std::chrono::milliseconds interval,
            std::function<void(const Attempt&)> report, Undurable& undurable);
  // As Stop.
  ~Committer() override;
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  void Note(const std::shared_ptr<Session>& session) override;
  void Take(std::list<Handover> handovers) override;
  Undurable& undurable() override { return undurable_; }
  // For how long what is to be durable has not been, by the session's max_lag;
  // 0: nothing is late.
  Clock::duration Delay() const;

  // Calls done once all that the session has done until now is durable, or with
  // why a commit failed meanwhile (STORE_FAILED; it is tried again all the
  // same). At once, or from the committer's thread. REQUIRES is_durable().
  void Await(const std::shared_ptr<Session>& session, Done done);

  // Has the store forget a session that is not in memory, or is lost, and calls
  // done as Await does. Epoch 0: one that is damaged there, whatever it has.
  void Erase(const SessionHead& head, Done done);

  // Commits what is noted, if that works at the first attempt, and joins the
  // thread. The pool must still run, and nothing may be noted any more.
  void Stop();

 private:
  struct Waiter {
    std::shared_ptr<Session> session;
    uint64_t version = 0;
    Done done;
  };
  // Who waits for the end of a session that is not in memory.
  struct Eraser {
    std::string id;
    Done done;
  };
  struct Noted {
    std::shared_ptr<Session> session;
    Clock::time_point due;
    Clock::time_point promised;
    bool asked = false;  // a turn is to hand over, ...
    bool again = false;  // ... and maybe without what was noted since
  };

  void Run();
  // Waits until something is to be committed, what failed not before `next`.
  // False: the thread is to end.
  bool AwaitDue(Clock::time_point next);
  Clock::time_point NextDue(Clock::time_point next) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those of noted_ that are due until then, or waited for: so many at most,
  // whose time came first. Marks them as asked.
  std::vector<std::shared_ptr<Session>> AskDue(Clock::time_point until,
                                               size_t most)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has them hand over, and moves what comes within `patience` to changes_.
  void Gather(Clock::time_point until, Clock::duration patience);
  // Has those hand over, and waits for them, and for others that were asked,
  // for so long.
  void AskAndWait(Clock::time_point until, size_t most,
                  Clock::duration patience);
  void Ask(const std::shared_ptr<Session>& session);
  // In the session's turn.
  void TakeHandover(const std::shared_ptr<Session>& session);
  // The session could not hand over: it is asked again.
  void AskLater(const Session& session, Clock::time_point due)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Promise(Clock::time_point promised)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Commits all that is left.
  void CommitRest();
  // Gathers unless changes_ are left from before, and commits. Whether it
  // worked.
  bool CommitDue(Clock::time_point until, Clock::duration patience);
  // changes_. Whether it worked, so that none are left.
  bool CommitChanges();
  // The store's answer for each of changes_ that it was given in *outcomes.
  absl::Status Commit(std::vector<ChangeOutcome>* outcomes);
  static std::vector<std::string> Damaged(
      const std::list<Handover>& committed,
      const std::vector<ChangeOutcome>& outcomes);
  void Conclude(const std::list<Handover>& committed,
                const std::vector<ChangeOutcome>& outcomes);
  void FailWaiters(const absl::Status& status);
  // Of one that is not in memory.
  void ConcludeErase(const std::string& id, ChangeOutcome outcome);

  Store& store_;
  ComputePool& pool_;
  const std::chrono::milliseconds interval_;
  const std::function<void(const Attempt&)> report_;

  Undurable& undurable_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::unordered_map<std::string, Noted> noted_ ABSL_GUARDED_BY(mutex_);  // id
  std::list<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  std::list<Eraser> erasers_ ABSL_GUARDED_BY(mutex_);
  std::list<Handover> ready_ ABSL_GUARDED_BY(mutex_);
  size_t asked_ ABSL_GUARDED_BY(mutex_) = 0;     // turns that are to hand over
  bool urgent_ ABSL_GUARDED_BY(mutex_) = false;  // somebody waits
  // Some could not hand over at the last gathering, as too much had been.
  bool crowded_ ABSL_GUARDED_BY(mutex_) = false;
  // The first by when something is to be durable that was handed over, ready_
  // or in changes_; max: nothing.
  Clock::time_point promised_ ABSL_GUARDED_BY(mutex_) =
      Clock::time_point::max();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  // The thread's: not committed yet, in the order of their hand-over.
  std::list<Handover> changes_;

  std::thread thread_;  // last, as it uses the rest
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_COMMITTER_H_
