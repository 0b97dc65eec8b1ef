// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/watch_run.h"

#include <utility>

#include "absl/strings/str_cat.h"

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
  client::MutexLock lock(mutex_);
  stopped_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

WatchProgress WatchRun::Wait(std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  client::MutexLock lock(mutex_);
  while (!progress_.ended && changed_.WaitUntil(mutex_, until)) {
  }
  return progress_;
}

bool WatchRun::Begin(std::shared_ptr<WatchStream> stream) {
  client::MutexLock lock(mutex_);
  stream_ = std::move(stream);
  // Stop has found none to cancel.
  if (stopped_) stream_->Cancel();
  return !stopped_;
}

absl::Status WatchRun::TakeAnchor(Anchor anchor) {
  if (replica_.has_value()) {
    client::MutexLock lock(mutex_);
    ++progress_.resyncs;
    return replica_->Restart(std::move(anchor));
  }
  absl::StatusOr<Replica> replica =
      Replica::Create(session_, std::move(anchor));
  if (replica.ok()) replica_ = *std::move(replica);
  return replica.status();
}

absl::Status WatchRun::Take(WatchStream& stream,
                            const v1::WatchDeltasResponse& response) {
  absl::Status status;
  if (std::optional<Anchor> anchor = stream.TakeAnchor()) {
    status = TakeAnchor(*std::move(anchor));
  } else if (replica_.has_value()) {
    status = replica_->Apply(response);
  }
  client::MutexLock lock(mutex_);
  if (replica_.has_value()) progress_.step = replica_->step();
  progress_.bytes += response.ByteSizeLong();
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("replica: ", status.message()));
  }
  progress_.steps += response.errors_size();
  for (const float error : response.errors()) progress_.error_sum += error;
  progress_.digests += response.digests_size();
  return absl::OkStatus();
}

bool WatchRun::Arrived() const {
  return until_step_.has_value() && replica_.has_value() &&
         replica_->step() >= *until_step_;
}

absl::Status WatchRun::FollowToEnd() {
  const std::shared_ptr<WatchStream> stream = client_.Watch(
      session_.session_id(),
      {.with_anchor = true, .with_state = session_.layout().state_count() > 0});
  absl::Status status;
  if (Begin(stream)) {
    v1::WatchDeltasResponse response;
    while (status.ok() && !Arrived() && stream->Next(&response)) {
      status = Take(*stream, response);
    }
  }
  if (!status.ok() || Arrived()) stream->Cancel();
  absl::Status finished = stream->Finish();
  if (!status.ok() || Arrived()) return status;
  client::MutexLock lock(mutex_);
  if (stopped_) return absl::OkStatus();
  progress_.end = stream->end();
  return finished;
}

void WatchRun::Follow() {
  absl::Status status = FollowToEnd();
  client::MutexLock lock(mutex_);
  progress_.ended = true;
  progress_.status = std::move(status);
  changed_.NotifyAll();
}

}  // namespace backprop::cli
