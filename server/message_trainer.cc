// SPDX-License-Identifier: Apache-2.0
#include "server/message_trainer.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "server/rejection.h"
#include "server/rpc_status.h"

namespace backprop {
namespace {

// Well below gRPC's default receive limit of 4 MiB, and large enough that the
// cost of a response vanishes beside its training.
constexpr size_t kMostDeltaFloats = 64 * 1024;
constexpr size_t kMostInputFloats = 256 * 1024;

// A request of so many bytes is kept to be filled again, a larger one is freed:
// beside its training, allocating it costs nothing.
constexpr size_t kKeptRequestBytes = 64 * 1024;

}  // namespace

void MessageTrainer::Begin(uint64_t message_number) {
  message_number_ = message_number;
  checked_ = false;
}

void MessageTrainer::End() {
  if (request_.SpaceUsedLong() <= kKeptRequestBytes) return;
  v1::TrainRequest().Swap(&request_);
}

SampleBytes MessageTrainer::Samples() const {
  return {request_.inputs(),
          request_.targets(),
          {request_.classes().data(),
           static_cast<size_t>(request_.classes_size())}};
}

size_t MessageTrainer::StepsInPart() const {
  const Layout& layout = session_->layout();
  const size_t by_inputs =
      kMostInputFloats / (layout.batch_size() * layout.input_size());
  const size_t by_deltas = kMostDeltaFloats / layout.delta_row_length();
  return std::max<size_t>(1, std::min(by_inputs, by_deltas));
}

absl::Status MessageTrainer::Check() {
  count_ = next_ = skipped_ = 0;
  if (!request_.session_id().empty()) {
    return InvalidField("session_id",
                        "belongs into the stream's first message only");
  }
  const auto count = CheckSamples(session_->spec(), Samples());
  if (!count.ok()) return count.status();
  const size_t batch = session_->layout().batch_size();
  if (*count % batch != 0) {
    return InvalidField("inputs", absl::StrCat("holds ", *count,
                                               " samples, no multiple of the "
                                               "session's batch_size ",
                                               batch));
  }
  if (request_.has_offset()) {
    const uint64_t expected = session_->progress().next_offset;
    if (request_.offset() > expected) {
      return Rejection(
          kOffsetGap,
          absl::StrCat("the message begins at offset ", request_.offset(),
                       " but the session expects ", expected,
                       ": send the samples from there; nothing was applied"));
    }
    if ((expected - request_.offset()) % batch != 0) {
      return InvalidField("offset",
                          absl::StrCat("is ", request_.offset(),
                                       ", no multiple of batch_size ", batch));
    }
    skipped_ = static_cast<size_t>(
        std::min<uint64_t>(*count, expected - request_.offset()));
  }
  count_ = *count;
  next_ = skipped_;
  return absl::OkStatus();
}

absl::Status MessageTrainer::TrainPart(Worker& worker,
                                       v1::TrainResponse* response) {
  const Layout& layout = session_->layout();
  const size_t batch = layout.batch_size();
  const size_t steps = std::min(StepsInPart(), (count_ - next_) / batch);
  const size_t samples = steps * batch;
  TrainRun run;
  const auto inputs = Panel(worker.inputs, samples * layout.input_size());
  const auto targets = Panel(worker.targets, samples * layout.output_size());
  DecodeInputs(session_->spec(), request_.inputs(), next_, samples, inputs);
  DecodeTargets(session_->spec(), Samples(), next_, samples, targets);
  run.inputs = inputs;
  run.targets = targets;
  run.errors = Panel(worker.errors, steps);
  run.deltas = Panel(worker.deltas, steps * layout.delta_row_length());

  const auto start = std::chrono::steady_clock::now();
  const TrainOutcome outcome = session_->Train(worker.trainer, run);
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;

  const size_t applied =
      static_cast<size_t>(outcome.after.step - outcome.before.step);
  next_ += applied * batch;
  metrics_.RecordTurn(
      {run.errors.first(applied), applied * batch, seconds.count()});
  response->mutable_errors()->Add(run.errors.begin(),
                                  run.errors.begin() + applied);
  response->set_deltas(run.deltas.data(),
                       applied * layout.delta_row_length() * sizeof(float));
  for (const DigestAt& digest : outcome.digests) {
    v1::StepDigest* added = response->add_digests();
    added->set_step(digest.step);
    added->set_digest(digest.digest);
  }
  if (applied < steps) {
    return NonFiniteStep(outcome.after,
                         "it and what follows in its message were not applied");
  }
  return absl::OkStatus();
}

void MessageTrainer::Next(Worker& worker, v1::TrainResponse* response) {
  response->set_message_number(message_number_);
  response->set_base_step(session_->progress().step);
  absl::Status status;
  if (!checked_) {
    checked_ = true;
    status = Check();
    response->set_skipped_samples(skipped_);
  }
  if (status.ok() && next_ < count_) status = TrainPart(worker, response);

  const Progress progress = session_->progress();
  response->set_step(progress.step);
  response->set_next_offset(progress.next_offset);
  response->set_message_done(!status.ok() || next_ == count_);
  if (!status.ok()) {
    metrics_.RecordRejection(RejectionReason(status));
    *response->mutable_rejection() = ToRpcStatus(status);
  }
  const bool has_last_digest =
      response->digests_size() > 0 &&
      response->digests().rbegin()->step() == progress.step;
  if (response->message_done() && request_.want_digest() && !has_last_digest) {
    v1::StepDigest* added = response->add_digests();
    added->set_step(progress.step);
    added->set_digest(session_->WeightsDigest());
  }
}

}  // namespace backprop
