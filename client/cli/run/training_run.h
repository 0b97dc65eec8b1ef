// SPDX-License-Identifier: Apache-2.0
//
// Trains one session on a data set, epoch after epoch: one thread sends
// samples ahead, the caller's reads the answers and keeps the replica current.
#ifndef BACKPROP_CLIENT_CLI_RUN_TRAINING_RUN_H_
#define BACKPROP_CLIENT_CLI_RUN_TRAINING_RUN_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/data/dataset.h"
#include "client/cli/data/sample_feed.h"
#include "client/cli/text/progress.h"
#include "client/cpp/replica.h"
#include "client/cpp/resuming_train_stream.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// What a run has done so far.
struct TrainingTotals {
  uint64_t steps = 0;
  uint64_t samples = 0;
  double seconds = 0;        // of training: evaluation is left out
  uint64_t delta_bytes = 0;  // of deltas received, scalars included
};

struct EpochResult {
  double error = 0;  // mean of its steps' errors
  uint64_t samples = 0;
  double seconds = 0;
};

// What an epoch's mean error is made of: of steps whose answers were lost with
// a connection nobody knows the errors.
struct EpochTally {
  double error_sum = 0;
  uint64_t errors = 0;

  double mean() const {
    return errors == 0 ? 0 : error_sum / static_cast<double>(errors);
  }
};

class TrainingRun {
 public:
  // Opens the stream, and downloads the anchor if a replica is to be kept; the
  // server sends no deltas otherwise. The references must outlive the run.
  // options: with_replica, and how the stream goes on where it breaks; what the
  // answers hold follows from that. cancellation: of the opening; may be null.
  // patience: once give_up says so, what is not answered is waited for as long
  // as something is answered, and no longer than this after that: while its
  // store fails a server answers nothing.
  static absl::StatusOr<std::unique_ptr<TrainingRun>> Open(
      TrainingClient& client, const v1::Session& session, SampleFeed& feed,
      ResumingTrainOptions options, Cancellation* cancellation = nullptr,
      std::chrono::milliseconds patience = std::chrono::seconds(10));

  // Sends what the session still has to learn its input standardisation from,
  // if anything; trains on none of it.
  absl::Status Learn(Progress& progress);

  // Trains on the feed's next epoch. Of a DURABLE session its last message is
  // answered when it is durable, so that what follows, a test or the end, is of
  // durable weights. When the user interrupts, what was sent is answered first;
  // interrupted() is then true. ABORTED: that took longer than it may.
  absl::StatusOr<EpochResult> Epoch(const std::string& title,
                                    Progress& progress);

  // Closes the stream; OK if everything sent was answered.
  absl::Status Close();

  bool interrupted() const { return interrupted_; }
  const TrainingTotals& totals() const { return totals_; }
  // Null if the run was opened without.
  const Replica* replica() const { return stream_->replica(); }

 private:
  TrainingRun(std::unique_ptr<ResumingTrainStream> stream, SampleFeed& feed,
              std::function<bool()> give_up, std::chrono::milliseconds patience)
      : stream_(std::move(stream)),
        feed_(feed),
        give_up_(std::move(give_up)),
        patience_(patience) {}

  void SendEpoch();
  // Cancels the stream where it is given up and not answered for too long.
  void WatchReading(const std::future<void>& read);
  absl::Status Unanswered() const;
  // Sends the messages that the feed has laid out and reads their answers.
  absl::StatusOr<EpochResult> SendAndRead(const std::string& title,
                                          Progress& progress);
  // Reads until the epoch is answered.
  absl::Status ReadEpoch(EpochResult* result, Progress& progress);
  absl::Status Take(const TrainAnswer& answer, EpochTally* tally,
                    EpochResult* result);
  // Cancels the stream and reads what is left of it, which wakes a writer that
  // waits for the window.
  void Abandon();

  const std::unique_ptr<ResumingTrainStream> stream_;
  SampleFeed& feed_;
  const std::function<bool()> give_up_;
  const std::chrono::milliseconds patience_;
  std::atomic<uint64_t> responses_ = 0;
  std::atomic<bool> unanswered_ = false;  // for too long
  TrainingTotals totals_;
  bool interrupted_ = false;
  bool finished_ = false;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_TRAINING_RUN_H_
