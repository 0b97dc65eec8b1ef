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

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "engine/contract/layout.h"
#include "engine/training/schedule.h"
#include "engine/training/standardiser.h"
#include "engine/training/trainer.h"
#include "server/mutex.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/delta_feed.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// How far a session has come.
struct Progress {
  uint64_t step = 0;         // steps done
  uint64_t next_offset = 0;  // samples applied
};

// What a session's next steps depend on beside its spec, weights and optimiser
// state.
struct Standing {
  Progress progress;
  uint64_t state_age = 0;  // steps since the optimiser's state was zero
  SchedulePosition schedule;
  // While input standardisation is being learnt; nullopt: from the first of its
  // samples on.
  std::optional<Standardiser> standardiser;
};

// What every turn of a session asks first.
struct InTurn {
  // Replaced, never changed: what has been got stays as it is. Never null.
  std::shared_ptr<const SessionSpec> spec;
  Progress progress;
};

// A session at one moment.
struct SessionMoment {
  std::shared_ptr<const SessionSpec> spec;
  Progress progress;
  float learning_rate = 0;  // that the next step will have
  bool has_writer = false;
};

// The weights' digest after a step.
struct DigestAt {
  uint64_t step = 0;
  uint64_t digest = 0;
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

class Session {
 public:
  // Allocates weights and optimiser state, all zero.
  Session(std::string id, SessionSpec spec, Layout layout,
          std::shared_ptr<DeltaFeed> feed);

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& id() const { return id_; }
  const Layout& layout() const { return layout_; }
  std::chrono::system_clock::time_point created() const { return created_; }
  const std::shared_ptr<Lane>& lane() const { return lane_; }
  DeltaFeed& feed() const { return *feed_; }
  // For those who follow it after the session is gone.
  const std::shared_ptr<DeltaFeed>& shared_feed() const { return feed_; }
  const std::string& forked_from() const { return forked_from_; }

  // Any thread: what the last turn left, or a running one has left so far.
  // Within a turn, in_turn() says the same at no cost.
  std::shared_ptr<const SessionSpec> spec() const;
  Progress progress() const;
  SessionMoment moment() const;

  // Makes the caller the one writer. Fails with SESSION_HAS_WRITER, or with
  // SESSION_NOT_FOUND after Close.
  absl::Status AttachWriter();
  void DetachWriter();

  // Fails with SESSION_HAS_WRITER while a writer is attached. Within a turn of
  // lane() what this says holds until the turn ends as far as steps go: a
  // stream that attaches meanwhile is told the session's progress in a later
  // turn.
  absl::Status CheckNoWriter() const;

  // No writer may attach any more. Fails with SESSION_BUSY while one is.
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

  Standing standing() const;
  // Before others know the session, whose weights and state the caller sets.
  // What it is trained with from here on is what a session that came to stand
  // there would be trained with.
  void GoOnFrom(Standing standing);

  // Before others know the session; within a turn of the origin's lane. Takes
  // over its weights, and with_state all that its optimiser and schedule know
  // (their state vectors must be as many, of the same optimiser).
  void ForkFrom(Session& origin, bool with_state);

  // What the next step is trained with. Must keep the layout (state_count and
  // factor_kind included). restarts_schedule: its age begins anew.
  void Update(SessionSpec spec, bool restarts_schedule);

  // Trains run.errors.size() steps; run.weights and run.state are set by the
  // session. Fewer steps in the outcome mean what they mean in Trainer::Train.
  // Requires !AwaitsStandardisation(*in_turn().spec).
  TrainOutcome Train(Trainer& trainer, TrainRun run);

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

  // Constant after construction.
  const std::string id_;
  const Layout layout_;
  const std::chrono::system_clock::time_point created_;
  const std::shared_ptr<Lane> lane_ = std::make_shared<Lane>();
  const std::shared_ptr<DeltaFeed> feed_;
  const size_t state_size_;

  // Constant once others know the session.
  std::string forked_from_;  // empty: none

  // The turn's.
  Numbers weights_;
  Numbers state_;
  uint64_t state_age_ = 0;  // steps since the state was zero
  LearningRate rate_;
  std::optional<Standardiser> standardiser_;  // while it learns
  InTurn turn_;

  // What others know of it. The first three are written by the turn.
  mutable Mutex mutex_;
  std::shared_ptr<const SessionSpec> spec_ ABSL_GUARDED_BY(mutex_);
  Progress progress_ ABSL_GUARDED_BY(mutex_);
  float learning_rate_ ABSL_GUARDED_BY(mutex_);
  bool has_writer_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_H_
