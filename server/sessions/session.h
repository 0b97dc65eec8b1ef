// SPDX-License-Identifier: Apache-2.0
//
// One network being trained: its spec, weights, optimiser state and progress.
//
// All training of a session happens in turns of its lane (compute_pool.h), so
// that it has one writer at a time. What a session consists of is the turn's:
// the turn alone reads and writes it, and needs no lock for that. Others must
// not wait for a turn in order to list sessions or to show how far they are;
// for them the turn publishes what they may know, under a mutex, whenever it
// has changed it:
//
//   in a turn                                   any thread
//     const InTurn& at = session.in_turn();       session.spec()
//     … at.spec, at.progress, weights() …         session.progress()
//     session.Train(…);  // publishes             session.moment()
//
// Who makes a session has it alone until others know it, as if in a turn.
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/contract/layout.h"
#include "engine/training/schedule.h"
#include "engine/training/standardiser.h"
#include "engine/training/trainer.h"
#include "server/sessions/applied_messages.h"
#include "server/sessions/budget.h"
#include "server/sessions/checkpoint.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/delta_feed.h"
#include "server/sessions/held_answers.h"
#include "server/sessions/journal.h"
#include "server/sessions/session_spec.h"
#include "server/sessions/standing.h"
#include "server/sessions/undurable.h"
#include "server/sessions/writer.h"
#include "server/store/store.h"
#include "server/threads/mutex.h"

namespace backprop {

// What every turn of a session asks first.
struct InTurn {
  // Replaced, never changed: what has been got stays as it is. Never null.
  std::shared_ptr<const SessionSpec> spec;
  Progress progress;
};

class Session;

// A session at one moment.
struct SessionMoment {
  std::shared_ptr<const SessionSpec> spec;
  Progress progress;
  float learning_rate = 0;  // that the next step will have
  bool has_writer = false;
  uint64_t epoch = 1;
  Progress durable;  // what a crash leaves of it; nothing of one in memory only
  size_t stored_bytes = 0;  // that the store has of it
  // That it can be taken back to; nullopt: it has no history, or it is yet to
  // be handed over.
  std::optional<uint64_t> history_first_step = std::nullopt;
  size_t past_bytes = 0;  // of memory, that it takes to know of its history
};

// What a session has handed over to be committed.
struct Handover {
  std::shared_ptr<Session> session = nullptr;  // null: it is not in memory
  SessionChange change = {};
  Progress progress;        // of the session with it
  uint64_t version = 0;     // likewise
  size_t stored_bytes = 0;  // likewise: of its pieces
  bool by_itself = false;   // not because the queue asked
  // Called after Committed, by the committer; must not throw. May be empty.
  std::function<void()> committed = nullptr;
  Undurable::Share room = {};  // what the change takes

  size_t bytes() const;  // of the change's pieces and head
  // Got for about so much as it turned out to be.
  void TakeRoom(Undurable::Share share);
};

// Why nothing that the session does is durable any more; OK where it is taken.
absl::Status LossOf(const std::string& id, ChangeOutcome loss);

// QUEUE_LIMIT: the store is behind by all that it may be, so that this would
// not become durable. limit: Undurable's.
absl::Status StoreIsBehind(size_t limit);

// The weights' digest after a step.
struct DigestAt {
  uint64_t step = 0;
  uint64_t digest = 0;
};

// Who is told that a session has changed, so that it gets committed.
class CommitQueue {
 public:
  virtual ~CommitQueue() = default;
  // Any thread. Has session->HandOver() called, in a turn of its lane.
  virtual void Note(const std::shared_ptr<Session>& session) = 0;
  // What a session has handed over by itself, in the turn that did so. Needs no
  // memory.
  virtual void Take(std::list<Handover> handovers) = 0;
  // Of all that it is told of. As long as the queue.
  virtual Undurable& undurable() = 0;
};

// Whether who has the weights of that step, of that epoch, can go on with the
// last of the epochs: the step lies before all that was begun since
// (ReplicaPosition in training_service.proto). epoch: 0 is taken for 1.
bool MayGoOn(std::span<const EpochStart> epochs, uint64_t epoch, uint64_t step);

// What makes a session durable.
struct Durable {
  std::unique_ptr<Journal> journal;
  CommitQueue* queue = nullptr;  // must outlive the session
  std::vector<EpochStart> epochs = {{.epoch = 1, .first_step = 0}};
};

// What Session::Train did.
struct TrainOutcome {
  Progress before;
  Progress after;
  std::vector<DigestAt> digests;  // due in before.step + 1 … after.step
};

// NON_FINITE_STEP for the step after these. consequence: what was not applied.
absl::Status NonFiniteStep(const Progress& before,
                           std::string_view consequence);

class Session : public std::enable_shared_from_this<Session> {
 public:
  // Allocates weights and optimiser state, all zero. room: what they take of a
  // budget; given back when they have been freed. durable: without a journal
  // the session is in memory only. One with a journal is committed from
  // BeginCommitting on.
  Session(SessionBirth birth, SessionSpec spec, Layout layout,
          std::shared_ptr<DeltaFeed> feed, Budget::Reservation room = {},
          Durable durable = {});

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const SessionBirth& birth() const { return birth_; }
  const std::string& id() const { return birth_.id; }
  const Layout& layout() const { return layout_; }
  const std::shared_ptr<Lane>& lane() const { return lane_; }
  DeltaFeed& feed() const { return *feed_; }
  // For those who follow it after the session is gone.
  const std::shared_ptr<DeltaFeed>& shared_feed() const { return feed_; }

  bool is_durable() const { return durable_.journal != nullptr; }

  // Any thread: what the last turn left, or a running one has left so far.
  // Within a turn, in_turn() says the same at no cost.
  std::shared_ptr<const SessionSpec> spec() const;
  Progress progress() const;
  SessionMoment moment() const;
  Progress durable() const;  // as of moment()
  // Its lives in memory so far, in order; at least one, the last is its
  // present.
  std::vector<EpochStart> epochs() const;
  uint64_t epoch() const;
  // As far as they have been handed over. Never null.
  std::shared_ptr<const CheckpointSet> checkpoints() const;

  // Once, when others know the session. Any thread. And once more after Close,
  // for the store to forget it.
  void BeginCommitting();

  // Counts the changes of the session.
  uint64_t version() const;
  // All up to that version is durable, or never will be.
  bool IsDurable(uint64_t version) const;

  // The committer's: what was handed over has been committed, which the writer
  // is told, ...
  void Committed(const Handover& handover);
  // ... or can't be, now and for good: another server has the session, or what
  // is stored of it is damaged.
  void Lose(ChangeOutcome why);
  bool lost() const { return loss() != ChangeOutcome::kTaken; }
  ChangeOutcome loss() const { return loss_; }  // kTaken: none

  // When somebody last had to do with it, as far as the table has seen.
  void Use(std::chrono::system_clock::time_point now) { last_use_ = now; }
  std::chrono::system_clock::time_point last_use() const { return last_use_; }

  // Makes it the one writer, until it is detached. Fails with
  // SESSION_HAS_WRITER, also while the session is being rewound, or with
  // SESSION_NOT_FOUND after Close.
  absl::Status AttachWriter(std::shared_ptr<Writer> writer);
  // The same in the place of the writer that there is, which is returned and is
  // still to be told (HearOfReplacement); null: there was none. Fails with
  // SESSION_NOT_FOUND after Close, SESSION_HAS_WRITER while it is being
  // rewound.
  absl::StatusOr<std::shared_ptr<Writer>> TakeOver(
      std::shared_ptr<Writer> writer);
  // Nothing where another has its place.
  void DetachWriter(const Writer& writer);

  // What its answers take that it holds for a writer who may ask again.
  size_t held_bytes() const { return held_.bytes(); }
  // It holds some, though for a minute no writer has left, nor sent a message.
  bool HoldsInVain(std::chrono::system_clock::time_point now) const;

  // Fails with SESSION_HAS_WRITER while a writer is attached. Within a turn of
  // lane() what this says holds until the turn ends as far as steps go: a
  // stream that attaches meanwhile is told the session's progress in a later
  // turn.
  absl::Status CheckNoWriter() const;

  // SESSION_BUSY while the session is on its way to another moment of its past:
  // what is done to it would be lost.
  absl::Status CheckNotRewinding() const;

  // No writer may attach any more. Fails with SESSION_BUSY while one is, or
  // while it is being rewound.
  absl::Status Close();

  // The rest: only within a turn of lane(), or before others know the session.

  // As it is at any time of the turn: it changes when the turn changes it.
  const InTurn& in_turn() const { return turn_; }

  // (layout().weight_count())
  std::span<float> weights() {
    return {weights_.get(), layout_.weight_count()};
  }
  // The optimiser's: (layout().state_count(), layout().weight_count())
  std::span<float> state() { return {state_.get(), state_size_}; }
  uint64_t WeightsDigest();

  // That it was trained on.
  AppliedMessages& applied_messages() { return applied_; }
  // To its last messages.
  HeldAnswers& held_answers() { return held_; }
  // That changed it.
  DoneRequests& done_requests() { return requests_; }

  Standing standing() const;
  // Before others know the session, whose weights and state the caller sets.
  // What it is trained with from here on is what a session that came to stand
  // there would be trained with.
  void GoOnFrom(Standing standing);

  // Before others know the session; within a turn of the origin's lane. Takes
  // over its weights, and with_state all that its optimiser and schedule know
  // (their state vectors must be as many, of the same optimiser).
  void ForkFrom(Session& origin, bool with_state);

  // Has the room of the budget that a session of this spec takes, or fails with
  // SESSION_LIMIT; with INVALID_REQUEST where there is never room for it.
  absl::Status MakeRoomFor(const SessionSpec& spec);

  // What the next step is trained with. Must keep the layout (state_count and
  // factor_kind included). restarts_schedule: its age begins anew.
  void Update(SessionSpec spec, bool restarts_schedule);

  // Trains run.errors.size() steps; run.weights and run.state are set by the
  // session. Fewer steps in the outcome mean what they mean in Trainer::Train.
  // Requires !AwaitsStandardisation(*in_turn().spec).
  TrainOutcome Train(Trainer& trainer, TrainRun run);

  // False: the store is behind by more than may be, so that what is trained
  // from here on would have to be done again after a crash (Undurable).
  bool MayTrain() const;

  // What a commit needs of steps that Train did; to be called after it.
  void Record(const StepsPart& part, std::span<const float> errors);

  // About as many as HandOver would hand over at most.
  size_t BytesToHandOver() const;

  // What has changed since the last call, for the committer. Only if
  // is_durable(). Nothing once the session's end has been handed over, or it
  // was lost.
  // Nor while it is being rewound. Checkpoints that have expired go with it.
  std::optional<Handover> HandOver();

  // Hands over by itself: all that has changed, and this. Only if is_durable().
  // Fails with SESSION_NOT_FOUND after Close, with SESSION_BUSY while it is
  // being rewound, with STORE_FAILED where it was lost, with QUEUE_LIMIT where
  // too many of its changes wait for the store, or the store fails and has too
  // much to take.
  absl::Status EditCheckpoints(const CheckpointEdit& edit);

  // The session becomes what `past` is, a session of the same layout that
  // nobody else has, and that this one was in that epoch: once that is
  // committed and FinishRewind is called. Until then it is as it was, and
  // nothing changes it: nobody may hear of an epoch that a crash could take
  // back. Hands over by itself; committed is called when that is in the store,
  // and must not throw. Fails as EditCheckpoints, and with SESSION_HAS_WRITER.
  absl::Status BeginRewind(Session& past, uint64_t epoch,
                           std::function<void()> committed);
  // In a turn after that. Takes what past has. Who watches falls behind.
  void FinishRewind(Session& past);

  // Samples that input standardisation has still to be learnt from.
  uint64_t samples_to_learn() const;

  // Learns from the next samples instead of training on them. rows: (n,
  // input_size), scale · element, n ≤ samples_to_learn(). With the last of them
  // the spec has the standardisation.
  void Learn(std::span<const float> rows);

 private:
  struct Free {
    void operator()(float* numbers) const { std::free(numbers); }
  };
  using Numbers = std::unique_ptr<float[], Free>;
  static Numbers AllocateZeroed(size_t count);
  // errors: of the steps that led to this progress.
  void Advance(const Progress& progress, std::span<const float> errors);
  // Shows others what the turn has changed.
  void Publish();
  // Fails if it can't be.
  absl::Status CheckHandsOver() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For about so many bytes that it hands over by itself.
  absl::StatusOr<Undurable::Share> RoomToHandOver(size_t bytes) const;
  Journal::Moment Present(const Standing& standing);
  // Tells the queue of a change that is about to be made, unless it knows.
  void NoteChange();
  // Tells the journal of steps that are about to be done.
  void BeginSteps();
  // Shows others what its journal has of the past.
  void ShowPast() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has the queue ask again, where more of its past is to be removed.
  void GoOnRemoving();
  // Takes what its journal has handed over to the queue. With it comes what
  // checkpoints there are.
  void Give(std::list<Handover> handovers);

  Budget::Reservation room_;  // first: given back last. The turn's

  // Constant after construction.
  const SessionBirth birth_;
  const Layout layout_;
  const std::shared_ptr<Lane> lane_ = std::make_shared<Lane>();
  const std::shared_ptr<DeltaFeed> feed_;
  const size_t state_size_;

  // The journal is the turn's, the queue constant after construction.
  Durable durable_;

  // The turn's.
  Undurable::Share undurable_;  // what was not handed over
  bool noted_ = true;    // the queue knows of a change that wasn't handed over
  bool erased_ = false;  // its end has been handed over
  Numbers weights_;
  Numbers state_;
  uint64_t state_age_ = 0;  // steps since the state was zero
  LearningRate rate_;
  std::optional<Standardiser> standardiser_;  // while it learns
  InTurn turn_;
  DoneRequests requests_;
  AppliedMessages applied_;
  HeldAnswers held_;

  std::atomic<std::chrono::system_clock::time_point> last_use_ = birth_.time;
  std::atomic<ChangeOutcome> loss_ = ChangeOutcome::kTaken;

  // What others know of it. The first three are written by the turn.
  mutable Mutex mutex_;
  std::shared_ptr<const SessionSpec> spec_ ABSL_GUARDED_BY(mutex_);
  Progress progress_ ABSL_GUARDED_BY(mutex_);
  float learning_rate_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Writer> writer_ ABSL_GUARDED_BY(mutex_);  // null: none
  std::chrono::system_clock::time_point detached_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t version_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t durable_version_ ABSL_GUARDED_BY(mutex_) = 0;
  Progress durable_progress_ ABSL_GUARDED_BY(mutex_);
  size_t stored_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool rewinding_ ABSL_GUARDED_BY(mutex_) = false;
  // Handed over by itself, and not durable yet.
  size_t given_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<EpochStart> epochs_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const CheckpointSet> checkpoints_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> history_first_step_ ABSL_GUARDED_BY(mutex_);
  size_t past_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_H_
