// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/training_run.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/text/number_text.h"

namespace backprop::cli {
namespace {

double SecondsSince(Progress::Clock::time_point begin) {
  return std::chrono::duration<double>(Progress::Clock::now() - begin).count();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingRun>> TrainingRun::Open(
    TrainingClient& client, const v1::Session& session, SampleFeed& feed,
    bool with_replica, Cancellation* cancellation) {
  absl::StatusOr<ReplicatedStream> stream =
      ReplicatedStream::Open(client, session, with_replica, cancellation);
  if (!stream.ok()) return stream.status();
  return std::unique_ptr<TrainingRun>(
      new TrainingRun(*std::move(stream), feed));
}

void TrainingRun::SendEpoch() {
  v1::TrainRequest request;
  while (feed_.Next(&request)) {
    if (Interrupted()) {
      // The server answers what it has, then ends the stream.
      replicated_.stream().CloseSending();
      return;
    }
    if (!replicated_.stream().Send(std::move(request))) return;
  }
}

absl::Status TrainingRun::Take(const TrainAnswer& answer, double* error_sum,
                               uint64_t* samples) {
  const v1::TrainResponse& response = answer.response;
  for (float error : response.errors()) *error_sum += error;
  totals_.steps += response.step() - response.base_step();
  totals_.delta_bytes += response.deltas().size() + response.scalars().size();
  *samples += feed_.batch_size() * (response.step() - response.base_step());
  return replicated_.Take(answer);
}

absl::Status TrainingRun::ReadEpoch(EpochResult* result, Progress& progress) {
  const auto begin = Progress::Clock::now();
  const uint64_t first_step = totals_.steps;
  double error_sum = 0;
  absl::Status status;
  TrainAnswer answer;
  for (size_t done = 0; status.ok() && done < feed_.epoch_messages();) {
    if (!replicated_.stream().Next(&answer)) {
      finished_ = true;
      status = replicated_.stream().Finish();
      interrupted_ = status.ok() && Interrupted();
      if (status.ok() && !interrupted_) {
        status = absl::UnavailableError("the server ended the stream");
      }
      break;
    }
    status = Take(answer, &error_sum, &result->samples);
    if (answer.response.message_done()) ++done;
    if (progress.Due()) {
      const auto steps = static_cast<double>(totals_.steps - first_step);
      const auto samples = static_cast<double>(result->samples);
      progress.Show(
          result->samples,
          absl::StrFormat(
              "error %.4f  %s samples/s", steps == 0 ? 0.0 : error_sum / steps,
              Grouped(static_cast<uint64_t>(samples / SecondsSince(begin)))));
    }
  }
  result->seconds = SecondsSince(begin);
  if (totals_.steps != first_step) {
    result->error = error_sum / static_cast<double>(totals_.steps - first_step);
  }
  return status;
}

absl::Status TrainingRun::Learn(Progress& progress) {
  while (!interrupted_ && replicated_.stream().samples_to_learn() > 0) {
    const uint64_t before = replicated_.stream().samples_to_learn();
    feed_.BeginLearning(before);
    absl::Status status = SendAndRead("standardisation", progress).status();
    if (!status.ok()) return status;
    if (!interrupted_ && replicated_.stream().samples_to_learn() == before) {
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
  std::thread writer([this] { SendEpoch(); });
  absl::Status status = ReadEpoch(&result, progress);
  if (!status.ok() && !finished_) replicated_.Abandon();
  writer.join();
  if (!status.ok()) return status;
  return result;
}

absl::Status TrainingRun::Close() {
  if (finished_) return absl::OkStatus();
  replicated_.stream().CloseSending();
  TrainAnswer rest;
  while (replicated_.stream().Next(&rest)) {
  }
  finished_ = true;
  return replicated_.stream().Finish();
}

}  // namespace backprop::cli
