// SPDX-License-Identifier: Apache-2.0
//
// One network being trained: its spec, weights and progress.
#ifndef BACKPROP_SERVER_SESSION_H_
#define BACKPROP_SERVER_SESSION_H_

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/initialiser.h"
#include "engine/input.h"
#include "engine/layout.h"
#include "engine/network.h"
#include "engine/trainer.h"
#include "server/compute_pool.h"

namespace backprop {

// The effective spec of a session: validated, all defaults filled in.
struct SessionSpec {
  NetworkSpec network;
  float learning_rate = 0;
  size_t batch_size = 1;
  std::optional<Initialiser> initialiser;  // nullopt: weights were given
  InputFormat input;
  uint32_t digest_every = 1024;
};

// How far a session has come.
struct Progress {
  uint64_t step = 0;         // steps done
  uint64_t next_offset = 0;  // samples applied
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
  // Allocates the weights; they are zero until Initialise or SetWeights.
  Session(std::string id, SessionSpec spec, Layout layout);

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& id() const { return id_; }
  const SessionSpec& spec() const { return spec_; }
  const Layout& layout() const { return layout_; }
  std::chrono::system_clock::time_point created() const { return created_; }
  const std::shared_ptr<Lane>& lane() const { return lane_; }

  // Any thread.
  Progress progress() const;
  bool has_writer() const;

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

  // (layout().weight_count())
  std::span<float> weights() {
    return {weights_.get(), layout_.weight_count()};
  }
  uint64_t WeightsDigest();

  // Trains run.errors.size() steps; run.weights is set by the session. Fewer
  // steps in the outcome mean what they mean in Trainer::Train.
  TrainOutcome Train(Trainer& trainer, TrainRun run);

 private:
  struct Free {
    void operator()(float* weights) const { std::free(weights); }
  };

  // Constant after construction.
  const std::string id_;
  const SessionSpec spec_;
  const Layout layout_;
  const std::chrono::system_clock::time_point created_;
  const std::shared_ptr<Lane> lane_ = std::make_shared<Lane>();

  // Owned by the lane's turn.
  std::unique_ptr<float[], Free> weights_;

  mutable std::mutex mutex_;
  Progress progress_;        // guarded by mutex_; written in the lane's turn
  bool has_writer_ = false;  // guarded by mutex_
  bool closed_ = false;      // guarded by mutex_
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSION_H_
