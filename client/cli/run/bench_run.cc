// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/bench_run.h"

#include <utility>

namespace backprop::cli {
namespace {

// One part in so many of the time.
constexpr int kWarmUpPart = 10;
// For how long what was sent ahead may still be answered when all is measured.
constexpr auto kAfterwards = std::chrono::seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<BenchRun>> BenchRun::Open(
    TrainingClient& client, const v1::Session& session, const BenchWay& way,
    RandomSamples samples, Clock::duration duration,
    Cancellation* cancellation) {
  absl::StatusOr<ReplicatedStream> stream =
      ReplicatedStream::Open(client, session, way.deltas, cancellation);
  if (!stream.ok()) return stream.status();
  const Clock::time_point now = Clock::now();
  return std::unique_ptr<BenchRun>(
      new BenchRun(*std::move(stream), way, std::move(samples),
                   BenchTally(session.spec().batch_size(),
                              now + duration / kWarmUpPart, now + duration)));
}

BenchRun::BenchRun(ReplicatedStream stream, const BenchWay& way,
                   RandomSamples samples, const BenchTally& tally)
    : replicated_(std::move(stream)),
      way_(way),
      tally_(tally),
      samples_(std::move(samples)) {
  reader_ = std::thread([this] { Run(); });
}

BenchRun::~BenchRun() {
  Stop();
  reader_.join();
}

void BenchRun::Stop() {
  client::MutexLock lock(mutex_);
  stopped_ = true;
  enough_ = true;
  stream().Cancel();
}

BenchProgress BenchRun::Wait(std::chrono::milliseconds patience) {
  const auto until = Clock::now() + patience;
  client::MutexLock lock(mutex_);
  while (!progress_.ended && changed_.WaitUntil(mutex_, until)) {
  }
  if (measured_.has_value() && Clock::now() - *measured_ > kAfterwards) {
    stream().Cancel();
  }
  return progress_;
}

absl::Status BenchRun::TakeAnswer() {
  const v1::TrainResponse& response = answer_.response;
  if (response.message_done() && !way_.ahead) {
    tally_.AddLatency(Clock::now() - sent_);
  }
  absl::Status status = replicated_.Take(answer_);
  if (!status.ok()) return status;
  const Clock::time_point now = Clock::now();
  tally_.Take(answer_, stream().samples_to_learn() == 0, now);
  client::MutexLock lock(mutex_);
  progress_.samples_per_second = tally_.figures().samples_per_second();
  if (tally_.done() && !measured_.has_value()) {
    measured_ = now;
    enough_ = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> BenchRun::ReadAnswer() {
  do {
    if (!stream().Next(&answer_)) return false;
    absl::Status status = TakeAnswer();
    if (!status.ok()) return status;
  } while (!answer_.response.message_done());
  return true;
}

absl::Status BenchRun::ReadToEnd() {
  while (true) {
    absl::StatusOr<bool> more = ReadAnswer();
    if (!more.ok() || !*more) return more.status();
  }
}

absl::Status BenchRun::SendOneByOne() {
  while (!enough_) {
    v1::TrainRequest request = samples_.Next();
    sent_ = Clock::now();
    if (!stream().Send(std::move(request))) break;
    absl::StatusOr<bool> more = ReadAnswer();
    if (!more.ok() || !*more) return more.status();
  }
  stream().CloseSending();
  return ReadToEnd();
}

absl::Status BenchRun::SendAhead() {
  std::thread writer([this] {
    while (!enough_) {
      if (!stream().Send(samples_.Next())) return;
    }
    stream().CloseSending();
  });
  absl::Status status = ReadToEnd();
  if (!status.ok()) {
    enough_ = true;
    replicated_.Abandon();
  }
  writer.join();
  return status;
}

absl::Status BenchRun::Outcome(const absl::Status& status) {
  absl::Status finished = stream().Finish();
  if (!status.ok()) return status;
  client::MutexLock lock(mutex_);
  if (tally_.done()) {
    progress_.cut = !finished.ok();
    return absl::OkStatus();
  }
  if (stopped_) return absl::CancelledError("interrupted");
  if (!finished.ok()) return finished;
  return absl::UnavailableError("the server ended the stream");
}

void BenchRun::Run() {
  absl::Status status = way_.ahead ? SendAhead() : SendOneByOne();
  if (!status.ok()) stream().Cancel();
  status = Outcome(status);
  client::MutexLock lock(mutex_);
  progress_.ended = true;
  progress_.status = std::move(status);
  changed_.NotifyAll();
}

}  // namespace backprop::cli
