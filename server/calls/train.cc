// SPDX-License-Identifier: Apache-2.0
#include "server/calls/train.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/contract/digest.h"
#include "server/calls/held_answer.h"
#include "server/calls/watched_steps.h"
#include "server/sessions/rejection.h"
#include "server/sessions/worker.h"
#include "server/translation/input.h"
#include "server/translation/message_limits.h"
#include "server/translation/number_bytes.h"
#include "server/translation/rpc_status.h"

namespace backprop {
namespace {

// 256 KiB in a response: well below gRPC's default receive limit of 4 MiB, and
// large enough that its cost vanishes beside its training.
constexpr size_t kMostNumbers = size_t{64} * 1024;
constexpr size_t kMostInputNumbers = size_t{256} * 1024;

// A digest takes up to 21 bytes on the wire.
constexpr size_t kDigestNumbers = 6;

// A request of so many bytes is kept to be filled again, a larger one is freed:
// beside its training, allocating it costs nothing.
constexpr size_t kKeptRequestBytes = size_t{64} * 1024;

uint64_t HashOf(const SampleBytes& samples) {
  const auto bytes = [](auto numbers) {
    return std::string_view(reinterpret_cast<const char*>(numbers.data()),
                            numbers.size_bytes());
  };
  const uint64_t parts[] = {DigestOfBytes(samples.inputs),
                            DigestOfBytes(samples.targets),
                            DigestOfBytes(bytes(samples.classes)),
                            DigestOfBytes(bytes(samples.weights))};
  return DigestOfBytes({reinterpret_cast<const char*>(parts), sizeof(parts)});
}

// Answers of one kind may stand for each other.
uint64_t KindOf(const AnswerContent& content) {
  return static_cast<uint64_t>(content.deltas) << 1 | content.outputs;
}

// Numbers of a step in a response; at least those of its delta row, sent or
// not, as they tell how long the step takes.
size_t NumbersAStep(const SessionSpec& spec, const Layout& layout,
                    const AnswerContent& content) {
  size_t numbers = 1 + layout.scalar_count();  // 1: the error
  numbers += content.deltas == v1::DELTA_DETAIL_DENSE
                 ? std::max(layout.weight_count(), layout.delta_row_length())
                 : layout.delta_row_length();
  if (content.outputs) numbers += layout.batch_size() * layout.output_size();
  if (spec.optimiser.max_norm > 0) ++numbers;
  return numbers + (kDigestNumbers - 1) / spec.digest_every + 1;
}

}  // namespace

absl::StatusOr<AnswerContent> AnswerContentFromProto(
    const v1::TrainOptions& options, const Layout& layout) {
  AnswerContent content;
  content.outputs = options.want_outputs();
  if (!v1::DeltaDetail_IsValid(options.deltas())) {
    return InvalidField("options.deltas",
                        absl::StrCat("is ", static_cast<int>(options.deltas()),
                                     ", no delta detail that this server "
                                     "knows"));
  }
  if (options.deltas() != v1::DELTA_DETAIL_UNSPECIFIED) {
    content.deltas = options.deltas();
  }
  if (content.deltas == v1::DELTA_DETAIL_DENSE &&
      layout.weight_count() > kMostNumbersInMessage) {
    return InvalidField("options.deltas",
                        absl::StrCat("a step's ", layout.weight_count(),
                                     " numbers are more than a message may "
                                     "hold: ask for FACTORS or NONE"));
  }
  return content;
}

void MessageTrainer::Begin(uint64_t message_number,
                           const absl::Status& parsed) {
  message_number_ = message_number;
  parsed_ = parsed;
  checked_ = false;
}

void MessageTrainer::End() {
  if (request_.SpaceUsedLong() <= kKeptRequestBytes) return;
  v1::TrainRequest().Swap(&request_);
}

SampleBytes MessageTrainer::Samples() const {
  return {
      request_.inputs(),
      request_.targets(),
      {request_.classes().data(), static_cast<size_t>(request_.classes_size())},
      {request_.sample_weights().data(),
       static_cast<size_t>(request_.sample_weights_size())}};
}

size_t MessageTrainer::StepsInPart(const SessionSpec& spec) const {
  const Layout& layout = session_->layout();
  const size_t by_inputs =
      kMostInputNumbers / (layout.batch_size() * InputStride(layout));
  const size_t by_response =
      kMostNumbers / NumbersAStep(spec, layout, content_);
  return std::max<size_t>(1, std::min(by_inputs, by_response));
}

absl::Status MessageTrainer::Check(const InTurn& at) {
  count_ = next_ = held_ = skipped_ = 0;
  if (!parsed_.ok()) return parsed_;
  if (!request_.session_id().empty()) {
    return InvalidField("session_id",
                        "may be set in the stream's first message only");
  }
  const auto count = CheckSamples(*at.spec, Samples());
  if (!count.ok()) return count.status();
  const size_t batch = session_->layout().batch_size();
  if (*count % batch != 0) {
    return InvalidField("inputs", absl::StrCat("holds ", *count,
                                               " samples, no multiple of the "
                                               "session's batch_size ",
                                               batch));
  }
  if (request_.has_offset()) {
    const uint64_t expected = at.progress.next_offset;
    if (request_.offset() > expected) {
      return Rejection(
          kOffsetGap,
          absl::StrCat("the message begins at offset ", request_.offset(),
                       " but the session expects ", expected,
                       ": send the samples from there; nothing was applied"));
    }
    if ((expected - request_.offset()) % batch != 0) {
      return InvalidField(
          "offset",
          absl::StrCat("is ", request_.offset(), ", no multiple of batch_size ",
                       batch, ": the samples applied, up to ", expected,
                       ", can't be skipped by whole steps"));
    }
    skipped_ = static_cast<size_t>(
        std::min<uint64_t>(*count, expected - request_.offset()));
  }
  count_ = *count;
  if (request_.has_offset()) {
    absl::Status status = CheckRepeated();
    if (!status.ok()) return status;
  }
  KeepHeld();
  FindHeld();
  next_ = skipped_;
  return absl::OkStatus();
}

void MessageTrainer::KeepHeld() {
  HeldAnswers& held = session_->held_answers();
  if (!Holds()) return held.Clear();
  held.Use(KindOf(content_), std::chrono::system_clock::now());
  held.DropBefore(request_.received_offset());
}

void MessageTrainer::FindHeld() {
  if (!Holds() || skipped_ == 0) return;
  if (session_->held_answers().Cover(HeldIdentity(),
                                     request_.offset() + skipped_)) {
    held_ = std::exchange(skipped_, 0);
  }
}

absl::Status MessageTrainer::CheckRepeated() {
  hash_ = HashOf(Samples());
  AppliedMessages& applied = session_->applied_messages();
  applied.MakeRoom();
  if (skipped_ < count_ || !applied.Differ(Identity())) {
    return absl::OkStatus();
  }
  skipped_ = 0;
  return FieldRejection(
      kSamplesDiffer, "offset",
      absl::StrCat("is ", request_.offset(),
                   ", where other samples than these were applied; nothing "
                   "was done: send what was sent there before, or samples from "
                   "next_offset on"));
}

void MessageTrainer::Remember() {
  if (!request_.has_offset() || skipped_ > 0) return;
  session_->applied_messages().Add(Identity());
}

absl::Status MessageTrainer::LearnPart(Worker& worker,
                                       v1::TrainResponse* response) {
  const auto before = session_->in_turn().spec;
  const size_t columns = session_->layout().input_size();
  // Whole steps' samples: who asks for the session between two parts finds it
  // where a message may begin.
  const size_t batch = before->batch_size;
  const size_t most =
      std::max<size_t>(1, kMostInputNumbers / columns / batch) * batch;
  const size_t samples = static_cast<size_t>(
      std::min<uint64_t>({most, count_ - next_, session_->samples_to_learn()}));
  const auto inputs = Grown(worker.inputs, samples * columns);
  DecodeInputs(*before, request_.inputs(), next_, samples,
               {inputs.data(), columns});
  session_->Learn(inputs);
  next_ += samples;
  const auto spec = session_->in_turn().spec;
  if (AwaitsStandardisation(*spec)) return absl::OkStatus();
  TellOfSteps(*session_, {.learnt_standardisation = true});
  StandardisationToProto(*spec, response->mutable_standardisation());
  if (next_ == count_) return absl::OkStatus();
  // What follows has been checked without it.
  const size_t row_bytes = columns * ElementSize(spec->input.element_type);
  return CheckInputs(
             *spec, "inputs",
             std::string_view(request_.inputs()).substr(next_ * row_bytes))
      .status();
}

TrainRun MessageTrainer::PrepareRun(const SessionSpec& spec, size_t steps,
                                    Worker& worker,
                                    v1::TrainResponse* response) const {
  const Layout& layout = session_->layout();
  const size_t samples = steps * layout.batch_size();
  const size_t stride = InputStride(layout);
  const auto inputs = Grown(worker.inputs, samples * stride);
  const auto targets = Grown(worker.targets, samples * layout.output_size());
  DecodeInputs(spec, request_.inputs(), next_, samples,
               {inputs.data(), stride});
  DecodeTargets(spec, Samples(), next_, samples, targets);
  TrainRun run;
  run.inputs = inputs;
  run.targets = targets;
  if (const auto weights = Samples().weights; !weights.empty()) {
    run.sample_weights = weights.subspan(next_, samples);
  }
  run.errors = Grown(worker.errors, steps);
  run.scalars = Grown(worker.scalars, steps * layout.scalar_count());
  run.gradient_norms = Grown(worker.gradient_norms, steps);
  if (content_.outputs) {
    run.outputs =
        NumbersIn(response->mutable_outputs(), samples * layout.output_size());
  }
  const size_t rows = steps * layout.delta_row_length();
  run.deltas = content_.deltas == v1::DELTA_DETAIL_FACTORS
                   ? NumbersIn(response->mutable_deltas(), rows)
                   : Grown(worker.deltas, rows);
  if (content_.deltas == v1::DELTA_DETAIL_DENSE) {
    run.full_deltas =
        NumbersIn(response->mutable_deltas(), steps * layout.weight_count());
  }
  return run;
}

absl::Status MessageTrainer::TrainPart(const SessionSpec& spec, Worker& worker,
                                       v1::TrainResponse* response) {
  const size_t batch = spec.batch_size;
  const size_t steps = std::min(StepsInPart(spec), (count_ - next_) / batch);
  const TrainRun run = PrepareRun(spec, steps, worker, response);

  const auto start = std::chrono::steady_clock::now();
  const TrainOutcome outcome = session_->Train(worker.trainer, run);
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;

  const size_t applied =
      static_cast<size_t>(outcome.after.step - outcome.before.step);
  if (applied > 0) TellOf(spec, run, applied, outcome);
  next_ += applied * batch;
  metrics_.RecordTurn(
      {run.errors.first(applied), applied * batch, seconds.count()});
  FillResponse(spec, run, applied, response);
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

// next_: the first sample of the steps.
void MessageTrainer::TellOf(const SessionSpec& spec, const TrainRun& run,
                            size_t steps, const TrainOutcome& outcome) {
  const size_t row_bytes =
      session_->layout().input_size() * ElementSize(spec.input.element_type);
  const size_t batch = session_->layout().batch_size();
  TellOfSteps(*session_, {.run = &run,
                          .steps = steps,
                          .inputs = std::string_view(request_.inputs())
                                        .substr(next_ * row_bytes,
                                                steps * batch * row_bytes),
                          .outcome = &outcome});
}

void MessageTrainer::FillResponse(const SessionSpec& spec, const TrainRun& run,
                                  size_t steps,
                                  v1::TrainResponse* response) const {
  // Of the run's deltas and outputs, which lie in it already, those steps'.
  const auto keep = [&](std::string* bytes) {
    bytes->resize(bytes->size() / run.errors.size() * steps);
  };
  if (content_.deltas != v1::DELTA_DETAIL_NONE) {
    keep(response->mutable_deltas());
  }
  if (content_.outputs) keep(response->mutable_outputs());
  if (steps == 0) return;
  const auto add = [&](std::span<const float> all, auto* to) {
    const auto those = all.first(steps);
    to->Add(those.begin(), those.end());
  };
  add(run.errors, response->mutable_errors());
  if (content_.deltas == v1::DELTA_DETAIL_FACTORS) {
    const size_t length = session_->layout().scalar_count();
    SetScalars(run.scalars.first(steps * length), length,
               response->mutable_scalars());
  }
  if (spec.optimiser.max_norm > 0) {
    add(run.gradient_norms, response->mutable_gradient_norms());
  }
}

void MessageTrainer::TellPresent(bool message_done,
                                 v1::TrainResponse* response) const {
  response->set_message_number(message_number_);
  response->set_message_done(message_done);
  response->set_epoch(session_->epoch());
  const Progress durable = session_->durable();
  response->set_durable_step(durable.step);
  response->set_durable_offset(durable.next_offset);
}

void MessageTrainer::EndPart(const absl::Status& status,
                             v1::TrainResponse* response) {
  const Progress& progress = session_->in_turn().progress;
  response->set_step(progress.step);
  response->set_next_offset(progress.next_offset);
  TellPresent(!status.ok() || next_ == count_, response);
  if (!status.ok()) {
    metrics_.RecordRejection(ReasonOf(status));
    *response->mutable_rejection() = ToRpcStatus(status);
  } else if (next_ == count_) {
    Remember();
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

absl::Status MessageTrainer::Next(Worker& worker, v1::TrainResponse* response) {
  answer_bytes_.reset();
  const InTurn& at = session_->in_turn();
  response->set_base_step(at.progress.step);
  absl::Status status;
  if (!checked_) {
    checked_ = true;
    status = Check(at);
    response->set_skipped_samples(skipped_);
  }
  if (status.ok() && next_ < held_) return RepeatPart(response);
  const size_t first = next_;
  if (status.ok() && next_ < count_) {
    status = AwaitsStandardisation(*at.spec)
                 ? LearnPart(worker, response)
                 : TrainPart(*at.spec, worker, response);
  }
  EndPart(status, response);
  HoldPart(first, *response);
  return absl::OkStatus();
}

absl::Status MessageTrainer::RepeatPart(v1::TrainResponse* response) {
  HeldAnswers& held = session_->held_answers();
  // Between two parts, where the stream waited long, they may have been let go
  // of.
  if (!held.Cover(HeldIdentity(), request_.offset() + held_)) {
    return HeldAnswerIsGone();
  }
  const HeldAnswer& answer = held.At(request_.offset() + next_);
  if (absl::Status s = RepeatAnswer(answer, response); !s.ok()) {
    held.Clear();
    return s;
  }
  next_ = static_cast<size_t>(answer.next_offset - request_.offset());
  TellPresent(next_ == count_, response);
  return absl::OkStatus();
}

void MessageTrainer::HoldPart(size_t first, const v1::TrainResponse& response) {
  if (!Holds() || !request_.has_offset()) return;
  if (skipped_ > 0 || next_ == first) return;
  answer_bytes_ = HoldAnswer(HeldIdentity(), request_.offset() + first,
                             response, held_room_, session_->held_answers());
}

}  // namespace backprop
