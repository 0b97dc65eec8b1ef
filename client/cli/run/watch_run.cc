// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/watch_run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {

WatchRun::WatchRun(TrainingClient& client, const v1::Session& session,
                   std::optional<uint64_t> until_step)
    : client_(client), session_(session), until_step_(until_step) {
  progress_.step = session.step();
  reader_ = std::thread([this] { Follow(); });
}

WatchRun::~WatchRun() {
  Stop();
  reader_.join();
}

void WatchRun::Stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

WatchProgress WatchRun::Wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [this] { return progress_.ended; });
  return progress_;
}

bool WatchRun::Begin(std::shared_ptr<WatchStream> stream) {
  std::lock_guard lock(mutex_);
  stream_ = std::move(stream);
  return !stopped_;
}

absl::Status WatchRun::Take(Replica& replica,
                            const v1::WatchDeltasResponse& response) {
  if (response.resync()) return absl::OkStatus();
  absl::Status status = replica.Apply(response);
  std::lock_guard lock(mutex_);
  progress_.step = replica.step();
  progress_.bytes += response.ByteSizeLong();
  if (!status.ok())
    return absl::Status(status.code(),
                        absl::StrCat("replica: ", status.message()));
  progress_.steps += response.errors_size();
  for (const float error : response.errors()) progress_.error_sum += error;
  progress_.digests += response.digests_size();
  return absl::OkStatus();
}

absl::Status WatchRun::FollowOnce(bool* resync) {
  *resync = false;
  absl::StatusOr<Weights> anchor = client_.DownloadWeights(
      session_.session_id(), session_.layout().state_count() > 0);
  if (!anchor.ok()) return anchor.status();
  const uint64_t after_step = anchor->step;
  absl::StatusOr<Replica> replica =
      Replica::Create(session_, *std::move(anchor));
  if (!replica.ok()) return replica.status();
  std::shared_ptr<WatchStream> stream =
      client_.Watch(session_.session_id(), after_step);
  const auto arrived = [&] {
    return until_step_.has_value() && replica->step() >= *until_step_;
  };
  absl::Status status;
  if (Begin(stream)) {
    v1::WatchDeltasResponse response;
    while (status.ok() && !arrived() && stream->Next(&response))
      status = Take(*replica, response);
  }
  if (!status.ok() || arrived()) stream->Cancel();
  absl::Status finished = stream->Finish();
  if (!status.ok() || arrived()) return status;
  std::lock_guard lock(mutex_);
  if (stopped_) return absl::OkStatus();
  // Between anchor and watch the server may have forgotten those steps.
  *resync = stream->end() == WatchEnd::kResync ||
            ReasonOf(finished) == "STEP_NOT_HELD";
  if (*resync) ++progress_.resyncs;
  progress_.end = stream->end();
  return *resync ? absl::OkStatus() : finished;
}

void WatchRun::Follow() {
  bool resync = true;
  absl::Status status;
  while (status.ok() && resync) status = FollowOnce(&resync);
  std::lock_guard lock(mutex_);
  progress_.ended = true;
  progress_.status = std::move(status);
  changed_.notify_all();
}

}  // namespace backprop::cli
