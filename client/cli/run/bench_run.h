// SPDX-License-Identifier: Apache-2.0
//
// Measures one way of sending samples, as a client of the library sends them:
// threads of its own send and read, the caller's looks at how far they are.
#ifndef BACKPROP_CLIENT_CLI_RUN_BENCH_RUN_H_
#define BACKPROP_CLIENT_CLI_RUN_BENCH_RUN_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/data/random_samples.h"
#include "client/cli/run/bench_tally.h"
#include "client/cli/run/bench_way.h"
#include "client/cli/run/replicated_stream.h"
#include "client/cpp/mutex.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

struct BenchProgress {
  double samples_per_second = 0;  // of what was measured so far
  bool ended = false;
  absl::Status status;  // if ended: how, or OK if all was measured
  // If ended: what was sent ahead of the end was not all answered.
  bool cut = false;
};

class BenchRun {
 public:
  using Clock = BenchTally::Clock;

  // Opens a stream on the session, which nobody else may train, and begins.
  // duration: the time for all of it; a tenth is warm-up. One message is
  // measured in any case. samples: as many a message as the way says.
  // cancellation: of the opening, which is done when this returns.
  static absl::StatusOr<std::unique_ptr<BenchRun>> Open(
      TrainingClient& client, const v1::Session& session, const BenchWay& way,
      RandomSamples samples, Clock::duration duration,
      Cancellation* cancellation = nullptr);
  // Stops.
  ~BenchRun();
  BenchRun(const BenchRun&) = delete;
  BenchRun& operator=(const BenchRun&) = delete;

  // How far it is, after `patience` or when it has ended.
  BenchProgress Wait(std::chrono::milliseconds patience);
  // Ends it at once; Wait then says that it has ended, with CANCELLED,
  // or OK if all was measured. The server sees that a moment later
  // (TrainStream::Cancel).
  void Stop();

  // To be called when it has ended.
  const BenchFigures& figures() const { return tally_.figures(); }

 private:
  BenchRun(ReplicatedStream stream, const BenchWay& way, RandomSamples samples,
           const BenchTally& tally);

  // Whose Send, Next and Cancel are each thread's that needs them.
  TrainStream& stream() const { return replicated_.stream(); }

  void Run();  // the reader's thread
  absl::Status SendAhead();
  absl::Status SendOneByOne();
  // Reads what answers a message up to its end. False: the stream has ended.
  absl::StatusOr<bool> ReadAnswer();
  absl::Status ReadToEnd();
  absl::Status TakeAnswer();
  // How it came out. status: the reader's.
  absl::Status Outcome(const absl::Status& status);

  ReplicatedStream replicated_;  // the reader's, but for stream()
  const BenchWay way_;

  // The reader's, but for figures() when it has ended.
  BenchTally tally_;
  Clock::time_point sent_;  // one by one: when the last message was
  TrainAnswer answer_;      // the last that was read; kept for its memory

  RandomSamples samples_;             // those of the thread that sends
  std::atomic<bool> enough_ = false;  // no more is to be sent

  client::Mutex mutex_;
  client::CondVar changed_;
  BenchProgress progress_ ABSL_GUARDED_BY(mutex_);
  // When all was measured; what was sent ahead is still to be answered.
  std::optional<Clock::time_point> measured_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread reader_;  // last: it uses the rest
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_BENCH_RUN_H_
