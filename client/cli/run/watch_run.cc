// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/watch_run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/call_status.h"
#include "client/cpp/passing_fault.h"

namespace backprop::cli {
namespace {

bool IsCut(const absl::Status& status) {
  return ConnectionFaultOf(status) == ConnectionFault::kCut;
}

}  // namespace

WatchRun::WatchRun(TrainingClient& client, const v1::Session& session,
                   std::optional<uint64_t> until_step, const RetryPolicy& retry)
    : client_(client),
      session_(session),
      until_step_(until_step),
      backoff_(retry, SystemJitter()) {
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
  changed_.NotifyAll();
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
  if (!replica.ok()) return replica.status();
  replica_ = *std::move(replica);
  return absl::OkStatus();
}

absl::Status WatchRun::Take(WatchStream& stream,
                            const v1::WatchDeltasResponse& response) {
  backoff_.Succeeded();
  absl::Status status;
  if (std::optional<Anchor> anchor = stream.TakeAnchor()) {
    status = TakeAnchor(*std::move(anchor));
    epoch_ = response.epoch();
  } else if (replica_.has_value()) {
    status = replica_->Apply(response);
    // An anchor that is not whole yet changes nothing of the replica's.
    if (!response.has_anchor() && response.epoch() != 0) {
      epoch_ = response.epoch();
    }
  }
  client::MutexLock lock(mutex_);
  if (replica_.has_value()) progress_.step = replica_->step();
  progress_.bytes += response.ByteSizeLong();
  if (std::exchange(lost_, false)) ++progress_.reconnects;
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

std::shared_ptr<WatchStream> WatchRun::NewStream() {
  WatchOptions options;
  options.with_anchor = true;
  options.with_state = session_.layout().state_count() > 0;
  if (replica_.has_value()) {
    options.after_step = replica_->step();
    options.epoch = epoch_;
  }
  return client_.Watch(session_.session_id(), options);
}

WatchRun::Ended WatchRun::FollowOnce() {
  const std::shared_ptr<WatchStream> stream = NewStream();
  absl::Status status;
  if (Begin(stream)) {
    v1::WatchDeltasResponse response;
    while (status.ok() && !Arrived() && stream->Next(&response)) {
      status = Take(*stream, response);
    }
  }
  if (!status.ok() || Arrived()) stream->Cancel();
  absl::Status finished = stream->Finish();
  if (!status.ok() || Arrived()) return {.status = status};
  client::MutexLock lock(mutex_);
  progress_.end = stream->end();
  // A server that keeps the session comes back with it.
  const bool comes_back =
      progress_.end == WatchEnd::kGoodbye &&
      session_.spec().durability().mode() == v1::DURABILITY_MODE_DURABLE;
  return {.status = finished, .may_pass = comes_back || MayPass(finished)};
}

absl::Status WatchRun::FollowToEnd() {
  Ended ended = FollowOnce();
  while (ended.may_pass && WaitToTryAgain(ended.status)) ended = FollowOnce();
  client::MutexLock lock(mutex_);
  return stopped_ && !Arrived() ? absl::OkStatus() : ended.status;
}

bool WatchRun::WaitToTryAgain(const absl::Status& cause) {
  const auto moment = backoff_.Next(RetryClock::TimePoint::clock::now());
  if (!moment.has_value()) return false;
  const bool was_lost = std::exchange(lost_, true);
  client::MutexLock lock(mutex_);
  // A proxy whose server ends cuts the stream first.
  const bool is_news = !was_lost || (IsCut(progress_.loss) && !IsCut(cause));
  if (is_news && !stopped_) {
    ++progress_.losses;
    progress_.loss =
        cause.ok() ? absl::UnavailableError("it shut down") : cause;
  }
  while (!stopped_ && changed_.WaitUntil(mutex_, *moment)) {
  }
  return !stopped_;
}

void WatchRun::Follow() {
  absl::Status status = FollowToEnd();
  client::MutexLock lock(mutex_);
  progress_.ended = true;
  progress_.status = std::move(status);
  changed_.NotifyAll();
}

}  // namespace backprop::cli
