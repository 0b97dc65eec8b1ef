// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/bench_run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

// One part in so many of the time.
constexpr int kWarmUpPart = 10;
// For how long what was sent ahead may still be answered when all is measured.
constexpr auto kAfterwards = std::chrono::seconds(1);

// The replica that follows an open stream; none where there are no deltas.
absl::StatusOr<std::optional<Replica>> OpenReplica(TrainingClient& client,
                                                   const v1::Session& session,
                                                   bool deltas,
                                                   Cancellation* cancellation) {
  if (!deltas) return std::nullopt;
  absl::StatusOr<Anchor> anchor = client.DownloadWeights(
      session.session_id(), /*with_state=*/true, cancellation);
  if (!anchor.ok()) return anchor.status();
  absl::StatusOr<Replica> replica =
      Replica::Create(session, *std::move(anchor));
  if (!replica.ok()) return replica.status();
  return *std::move(replica);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BenchRun>> BenchRun::Open(
    TrainingClient& client, const v1::Session& session, const BenchWay& way,
    RandomSamples samples, Clock::duration duration,
    Cancellation* cancellation) {
  v1::TrainOptions options;
  options.set_deltas(way.deltas ? v1::DELTA_DETAIL_FACTORS
                                : v1::DELTA_DETAIL_NONE);
  auto stream = client.OpenTrain(session.session_id(), options, cancellation);
  if (!stream.ok()) return stream.status();
  auto replica = OpenReplica(client, session, way.deltas, cancellation);
  if (!replica.ok()) return replica.status();
  const Clock::time_point now = Clock::now();
  return std::unique_ptr<BenchRun>(new BenchRun(
      *std::move(stream), *std::move(replica), way, std::move(samples),
      BenchTally(session.spec().batch_size(), now + duration / kWarmUpPart,
                 now + duration)));
}

BenchRun::BenchRun(std::unique_ptr<TrainStream> stream,
                   std::optional<Replica> replica, const BenchWay& way,
                   RandomSamples samples, const BenchTally& tally)
    : stream_(std::move(stream)),
      way_(way),
      replica_(std::move(replica)),
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
  stream_->Cancel();
}

BenchProgress BenchRun::Wait(std::chrono::milliseconds patience) {
  const auto until = Clock::now() + patience;
  client::MutexLock lock(mutex_);
  while (!progress_.ended && changed_.WaitUntil(mutex_, until)) {
  }
  if (measured_.has_value() && Clock::now() - *measured_ > kAfterwards) {
    stream_->Cancel();
  }
  return progress_;
}

absl::Status BenchRun::TakeAnswer() {
  const v1::TrainResponse& response = answer_.response;
  if (response.message_done() && !way_.ahead) {
    tally_.AddLatency(Clock::now() - sent_);
  }
  if (replica_.has_value()) {
    absl::Status status =
        replica_->Apply(response, answer_.inputs, answer_.detail);
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("replica: ", status.message()));
    }
  }
  if (response.has_rejection()) return FromRejection(response.rejection());
  const Clock::time_point now = Clock::now();
  tally_.Take(answer_, stream_->samples_to_learn() == 0, now);
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
    if (!stream_->Next(&answer_)) return false;
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
    if (!stream_->Send(std::move(request))) break;
    absl::StatusOr<bool> more = ReadAnswer();
    if (!more.ok() || !*more) return more.status();
  }
  stream_->CloseSending();
  return ReadToEnd();
}

absl::Status BenchRun::SendAhead() {
  std::thread writer([this] {
    while (!enough_) {
      if (!stream_->Send(samples_.Next())) return;
    }
    stream_->CloseSending();
  });
  absl::Status status = ReadToEnd();
  if (!status.ok()) {
    enough_ = true;
    stream_->Cancel();
    // Wakes a writer that waits for the window.
    while (stream_->Next(&answer_)) {
    }
  }
  writer.join();
  return status;
}

absl::Status BenchRun::Outcome(const absl::Status& status) {
  absl::Status finished = stream_->Finish();
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
  if (!status.ok()) stream_->Cancel();
  status = Outcome(status);
  client::MutexLock lock(mutex_);
  progress_.ended = true;
  progress_.status = std::move(status);
  changed_.NotifyAll();
}

}  // namespace backprop::cli
