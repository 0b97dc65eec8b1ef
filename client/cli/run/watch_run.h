// SPDX-License-Identifier: Apache-2.0
//
// Follows a session with a replica of its own: one thread reads and applies,
// the caller's looks at how far it has come. Where the server goes away it is
// looked for, and the replica goes on, from an anchor if steps that it followed
// were taken back.
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
#include "client/cpp/backoff.h"
#include "client/cpp/mutex.h"
#include "client/cpp/replica.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// How far a watch has come.
struct WatchProgress {
  uint64_t step = 0;
  uint64_t steps = 0;       // followed so far
  double error_sum = 0;     // of those steps
  uint64_t bytes = 0;       // of the messages that came
  uint64_t digests = 0;     // that were compared, and found equal
  uint64_t resyncs = 0;     // times that it fell behind and got a new anchor
  uint64_t losses = 0;      // times that the stream broke
  uint64_t reconnects = 0;  // times that the server was there again
  absl::Status loss;        // the last one's cause
  bool ended = false;
  WatchEnd end = WatchEnd::kNone;  // if ended: the server's reason
  absl::Status status;             // if ended
};

class WatchRun {
 public:
  // until_step: to stop at that step, none: never. retry: how a server that
  // went away is looked for. client must outlive the run.
  WatchRun(TrainingClient& client, const v1::Session& session,
           std::optional<uint64_t> until_step, const RetryPolicy& retry);
  // Stops.
  ~WatchRun();
  WatchRun(const WatchRun&) = delete;
  WatchRun& operator=(const WatchRun&) = delete;

  // How far it is, after `patience` or when it has ended.
  WatchProgress Wait(std::chrono::milliseconds patience);
  // Ends it soon; Wait then says that it has ended, with OK.
  void Stop();

 private:
  // How one call ended, and whether another may go on.
  struct Ended {
    absl::Status status;
    bool may_pass = false;
  };

  void Follow();  // the reader's thread
  absl::Status FollowToEnd();
  Ended FollowOnce();
  std::shared_ptr<WatchStream> NewStream();
  // False: it was stopped, or enough was tried.
  bool WaitToTryAgain(const absl::Status& cause);
  absl::Status Take(WatchStream& stream,
                    const v1::WatchDeltasResponse& response);
  absl::Status TakeAnchor(Anchor anchor);
  bool Arrived() const;
  // False: it was stopped meanwhile, and the stream is cancelled.
  bool Begin(std::shared_ptr<WatchStream> stream);

  TrainingClient& client_;
  const v1::Session session_;
  const std::optional<uint64_t> until_step_;

  // The reader's.
  std::optional<Replica> replica_;  // since the first anchor
  uint64_t epoch_ = 0;              // that the replica's weights are of
  Backoff backoff_;
  bool lost_ = false;  // the server went away, and nothing came since

  client::Mutex mutex_;
  client::CondVar changed_;
  WatchProgress progress_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<WatchStream> stream_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread reader_;  // last: it uses the rest
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_WATCH_RUN_H_
