// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/training_run.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

// How soon it is noticed that nobody wants the answers.
constexpr auto kGlance = std::chrono::milliseconds(50);

double SecondsSince(Progress::Clock::time_point begin) {
  return std::chrono::duration<double>(Progress::Clock::now() - begin).count();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingRun>> TrainingRun::Open(
    TrainingClient& client, const v1::Session& session, SampleFeed& feed,
    ResumingTrainOptions options, Cancellation* cancellation,
    std::chrono::milliseconds patience) {
  options.train.set_deltas(options.with_replica ? v1::DELTA_DETAIL_FACTORS
                                                : v1::DELTA_DETAIL_NONE);
  auto stream =
      ResumingTrainStream::Open(client, session, options, cancellation);
  if (!stream.ok()) return stream.status();
  return std::unique_ptr<TrainingRun>(
      new TrainingRun(*std::move(stream), feed, options.give_up, patience));
}

void TrainingRun::SendEpoch() {
  v1::TrainRequest request;
  v1::TrainRequest next;
  bool more = feed_.Next(&request);
  bool stopped = Interrupted();
  while (more && !stopped) {
    more = feed_.Next(&next);
    stopped = Interrupted();
    // Whoever has the last answer has durable work, in a DURABLE session.
    request.set_when_durable(!more || stopped);
    if (!stream_->Send(std::move(request))) return;
    request = std::move(next);
  }
  // The server answers what it has, then ends the stream.
  if (more) stream_->CloseSending();
}

void TrainingRun::WatchReading(const std::future<void>& read) {
  if (!give_up_) return;
  uint64_t responses = responses_;
  auto since = std::chrono::steady_clock::now();
  while (read.wait_for(kGlance) != std::future_status::ready) {
    const auto now = std::chrono::steady_clock::now();
    if (!give_up_() || responses != responses_) since = now;
    responses = responses_;
    if (now - since < patience_) continue;
    unanswered_ = true;
    stream_->Cancel();
    return;
  }
}

absl::Status TrainingRun::Unanswered() const {
  return absl::AbortedError(absl::StrFormat(
      "interrupted after %s steps, and nothing was answered for %g seconds: "
      "what was sent last is not known to be durable; the server's log says "
      "whether its store fails",
      Grouped(totals_.steps),
      std::chrono::duration<double>(patience_).count()));
}

absl::Status TrainingRun::Take(const TrainAnswer& answer, EpochTally* tally,
                               EpochResult* result) {
  const v1::TrainResponse& response = answer.response;
  for (float error : response.errors()) tally->error_sum += error;
  tally->errors += response.errors_size();
  // What is skipped was applied before its answer was lost.
  const uint64_t steps = response.step() - response.base_step() +
                         response.skipped_samples() / feed_.batch_size();
  totals_.steps += steps;
  totals_.delta_bytes += response.deltas().size() + response.scalars().size();
  result->samples += feed_.batch_size() * steps;
  return response.has_rejection() ? FromRejection(response.rejection())
                                  : absl::OkStatus();
}

absl::Status TrainingRun::ReadEpoch(EpochResult* result, Progress& progress) {
  const auto begin = Progress::Clock::now();
  EpochTally tally;
  absl::Status status;
  TrainAnswer answer;
  for (size_t done = 0; status.ok() && done < feed_.epoch_messages();) {
    if (!stream_->Next(&answer)) {
      finished_ = true;
      status = unanswered_ ? Unanswered() : stream_->Finish();
      interrupted_ = status.ok() && Interrupted();
      if (status.ok() && !interrupted_) {
        status = absl::UnavailableError("the server ended the stream");
      }
      break;
    }
    ++responses_;
    status = Take(answer, &tally, result);
    if (answer.response.message_done()) ++done;
    if (progress.Due()) {
      const auto samples = static_cast<double>(result->samples);
      progress.Show(
          result->samples,
          absl::StrFormat(
              "error %.4f  %s samples/s", tally.mean(),
              Grouped(static_cast<uint64_t>(samples / SecondsSince(begin)))));
    }
  }
  result->seconds = SecondsSince(begin);
  result->error = tally.mean();
  return status;
}

absl::Status TrainingRun::Learn(Progress& progress) {
  while (!interrupted_ && stream_->samples_to_learn() > 0) {
    const uint64_t before = stream_->samples_to_learn();
    feed_.BeginLearning(before);
    absl::Status status = SendAndRead("standardisation", progress).status();
    if (!status.ok()) return status;
    if (!interrupted_ && stream_->samples_to_learn() == before) {
      return absl::InternalError(
          "the server took samples for the inputs' standardisation and learnt "
          "nothing");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<EpochResult> TrainingRun::Epoch(const std::string& title,
                                               Progress& progress) {
  feed_.BeginEpoch();
  absl::StatusOr<EpochResult> result = SendAndRead(title, progress);
  if (!result.ok()) return result;
  totals_.seconds += result->seconds;
  totals_.samples += result->samples;
  return result;
}

absl::StatusOr<EpochResult> TrainingRun::SendAndRead(const std::string& title,
                                                     Progress& progress) {
  progress.Begin(title, feed_.epoch_samples());
  EpochResult result;
  std::promise<void> read;
  std::thread writer([this] { SendEpoch(); });
  std::thread watcher([&] { WatchReading(read.get_future()); });
  absl::Status status = ReadEpoch(&result, progress);
  read.set_value();
  if (!status.ok() && !finished_) Abandon();
  writer.join();
  watcher.join();
  if (!status.ok()) return status;
  return result;
}

void TrainingRun::Abandon() {
  stream_->Cancel();
  TrainAnswer rest;
  while (stream_->Next(&rest)) {
  }
}

absl::Status TrainingRun::Close() {
  if (finished_) return absl::OkStatus();
  stream_->CloseSending();
  TrainAnswer rest;
  while (stream_->Next(&rest)) {
  }
  finished_ = true;
  return stream_->Finish();
}

}  // namespace backprop::cli
