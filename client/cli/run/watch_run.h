// SPDX-License-Identifier: Apache-2.0
//
// Follows a session with a replica of its own: one thread reads and applies,
// the caller's looks at how far it has come.
#ifndef BACKPROP_CLIENT_CLI_RUN_WATCH_RUN_H_
#define BACKPROP_CLIENT_CLI_RUN_WATCH_RUN_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "client/cpp/mutex.h"
#include "client/cpp/replica.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// How far a watch has come.
struct WatchProgress {
  uint64_t step = 0;
  uint64_t steps = 0;    // followed so far
  double error_sum = 0;  // of those steps
  uint64_t bytes = 0;    // of the messages that came
  uint64_t digests = 0;  // that were compared, and found equal
  uint64_t resyncs = 0;  // times that it fell behind and got a new anchor
  bool ended = false;
  WatchEnd end = WatchEnd::kNone;  // if ended: the server's reason
  absl::Status status;             // if ended
};

class WatchRun {
 public:
  // until_step: to stop at that step, none: never. client must outlive the run.
  WatchRun(TrainingClient& client, const v1::Session& session,
           std::optional<uint64_t> until_step);
  // Stops.
  ~WatchRun();
  WatchRun(const WatchRun&) = delete;
  WatchRun& operator=(const WatchRun&) = delete;

  // How far it is, after `patience` or when it has ended.
  WatchProgress Wait(std::chrono::milliseconds patience);
  // Ends it soon; Wait then says that it has ended, with OK.
  void Stop();

 private:
  void Follow();  // the reader's thread
  absl::Status FollowToEnd();
  absl::Status Take(WatchStream& stream,
                    const v1::WatchDeltasResponse& response);
  absl::Status TakeAnchor(Anchor anchor);
  bool Arrived() const;
  // False: it was stopped meanwhile, and the stream is cancelled.
  bool Begin(std::shared_ptr<WatchStream> stream);

  TrainingClient& client_;
  const v1::Session session_;
  const std::optional<uint64_t> until_step_;

  std::optional<Replica> replica_;  // the reader's; since the first anchor

  client::Mutex mutex_;
  client::CondVar changed_;
  WatchProgress progress_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<WatchStream> stream_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread reader_;  // last: it uses the rest
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_WATCH_RUN_H_
