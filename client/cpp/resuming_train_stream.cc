// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/resuming_train_stream.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/call_status.h"
#include "client/cpp/passing_fault.h"
#include "client/cpp/session_layout.h"
#include "client/cpp/timely_opening.h"

namespace backprop {
namespace {

// How soon it is noticed that nobody wants to go on.
constexpr auto kGlance = std::chrono::milliseconds(50);

bool IsDurable(const v1::Session& session) {
  return session.spec().durability().mode() == v1::DURABILITY_MODE_DURABLE;
}

// The offset at which all is learnt; 0: nothing is to be learnt.
uint64_t LearnEnd(const v1::Session& session) {
  const v1::Standardisation& standardisation =
      session.spec().input().standardisation();
  return standardisation.mean().empty() ? standardisation.learn_samples() : 0;
}

v1::DeltaDetail DetailOf(const v1::TrainOptions& options) {
  return options.deltas() == v1::DELTA_DETAIL_UNSPECIFIED
             ? v1::DELTA_DETAIL_FACTORS
             : options.deltas();
}

// The options with all that the user left to us filled in.
ResumingTrainOptions Completed(ResumingTrainOptions options, bool durable) {
  options.train.set_coalesce(false);
  options.train.set_hold_answers(true);
  options.train.set_tell_durable(durable);
  if (options.clock == nullptr) options.clock = SystemRetryClock();
  if (!options.jitter) options.jitter = SystemJitter();
  return options;
}

absl::Status OfReplica(const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("replica: ", status.message()));
}

}  // namespace

ResumingTrainStream::ResumingTrainStream(TrainingClient& client,
                                         const v1::Session& session,
                                         const ResumingTrainOptions& options,
                                         size_t row_bytes,
                                         std::unique_ptr<TrainStream> stream)
    : client_(client),
      session_(session),
      options_(options),
      window_(client.options().send_window),
      durable_(IsDurable(session)),
      learn_end_(LearnEnd(session)),
      ledger_(row_bytes, durable_, DetailOf(options.train),
              stream->opening_offset(), options.ledger_bytes / 2),
      stream_(std::move(stream)),
      reading_(stream_),
      backoff_(options.retry, options.jitter),
      opened_(options.clock->Now()),
      epoch_(reading_->opening().epoch()),
      step_(reading_->opening_step()) {}

absl::StatusOr<std::unique_ptr<ResumingTrainStream>> ResumingTrainStream::Open(
    TrainingClient& client, const v1::Session& session,
    const ResumingTrainOptions& options, Cancellation* cancellation) {
  if (options.with_replica &&
      DetailOf(options.train) != v1::DELTA_DETAIL_FACTORS) {
    return absl::InvalidArgumentError(
        "with_replica: needs train.deltas to be DELTA_DETAIL_FACTORS");
  }
  const ResumingTrainOptions completed = Completed(options, IsDurable(session));
  v1::TrainRequest opening;
  *opening.mutable_options() = completed.train;
  auto stream = OpenTrainInTime(client, session, std::move(opening),
                                *completed.clock, cancellation);
  if (!stream.ok()) return stream.status();
  // It is known good: the stream was opened with it.
  absl::StatusOr<InputFormat> format = InputFormatOf(session.spec());
  if (!format.ok()) return format.status();
  const size_t row_bytes =
      session.spec().input_size() * ElementSize(format->element_type);
  std::unique_ptr<ResumingTrainStream> opened(new ResumingTrainStream(
      client, session, completed, row_bytes, *std::move(stream)));
  if (options.with_replica) {
    absl::Status status = opened->MakeReplica(cancellation);
    if (!status.ok()) return status;
  }
  return opened;
}

// The open stream keeps other writers out, so what comes is its anchor.
absl::Status ResumingTrainStream::MakeReplica(Cancellation* cancellation) {
  absl::StatusOr<Anchor> anchor = client_.DownloadWeights(
      session_.session_id(), /*with_state=*/true, cancellation);
  if (!anchor.ok()) return anchor.status();
  absl::StatusOr<Replica> replica =
      Replica::Create(session_, *std::move(anchor));
  if (!replica.ok()) return replica.status();
  replica_ = *std::move(replica);
  return absl::OkStatus();
}

ResumingTrainStream::~ResumingTrainStream() {
  Cancel();
  if (resender_.joinable()) resender_.join();
}

uint64_t ResumingTrainStream::samples_to_learn() const {
  client::MutexLock lock(mutex_);
  return learn_end_ - std::min(learn_end_, ledger_.answered_offset());
}

bool ResumingTrainStream::FullFor(size_t bytes) const {
  const bool window_full = ledger_.unanswered() > 0 &&
                           (ledger_.unanswered() >= window_.messages ||
                            ledger_.unanswered_bytes() + bytes > window_.bytes);
  return window_full || (!ledger_.empty() &&
                         ledger_.bytes() + SampleLedger::kMessageBytes + bytes >
                             options_.ledger_bytes);
}

bool ResumingTrainStream::WindowFull() const {
  client::MutexLock lock(mutex_);
  // The next message is taken to be as large as the last one sent.
  return FullFor(ledger_.last_bytes());
}

bool ResumingTrainStream::Send(v1::TrainRequest request) {
  const size_t bytes = SampleBytes(request);
  {
    client::MutexLock lock(mutex_);
    while (!ended_ && FullFor(bytes)) changed_.Wait(mutex_);
    if (ended_) return false;
    ledger_.Add(std::move(request));
  }
  WriteUnsent();
  return true;
}

void ResumingTrainStream::CloseSending() {
  {
    client::MutexLock lock(mutex_);
    closing_ = true;
  }
  WriteUnsent();
}

bool ResumingTrainStream::BeginWriting() {
  client::MutexLock lock(mutex_);
  return !std::exchange(writing_, true);
}

bool ResumingTrainStream::NextWriting(Writing* writing) {
  client::MutexLock lock(mutex_);
  if (writable_) {
    if (auto request = ledger_.TakeUnsent()) {
      *writing = {stream_, std::move(request)};
      return true;
    }
    if (closing_ && !closed_) {
      closed_ = true;
      *writing = {stream_, nullptr};
      return true;
    }
  }
  writing_ = false;
  changed_.NotifyAll();
  return false;
}

void ResumingTrainStream::WriteUnsent() {
  if (!BeginWriting()) return;
  Writing writing;
  while (NextWriting(&writing)) {
    if (writing.request == nullptr) {
      writing.stream->CloseSending();
    } else if (!writing.stream->Send(writing.request)) {
      client::MutexLock lock(mutex_);
      // The reader sees why, and opens another.
      writable_ = false;
    }
  }
}

bool ResumingTrainStream::TakeMade(TrainAnswer* answer) {
  if (made_.empty()) return false;
  {
    client::MutexLock lock(mutex_);
    if (made_.front().response.message_number() > ledger_.awaited()) {
      return false;
    }
  }
  *answer = std::move(made_.front());
  made_.pop_front();
  return true;
}

bool ResumingTrainStream::TakeRegained(TrainAnswer* answer) {
  if (regained_.answers.empty()) return false;
  *answer = std::move(regained_.answers.front());
  regained_.answers.pop_front();
  return true;
}

absl::StatusOr<bool> ResumingTrainStream::Take(TrainAnswer* answer,
                                               bool replica_knows) {
  v1::TrainResponse& response = answer->response;
  if (answer->request != nullptr) {
    backoff_.Succeeded();
    step_ = response.step();
    if (replica_.has_value() && !replica_knows) {
      absl::Status status =
          OfReplica(replica_->Apply(response, answer->inputs, answer->detail));
      if (!status.ok()) return status;
    }
  }
  client::MutexLock lock(mutex_);
  absl::StatusOr<bool> for_user = ledger_.Take(&response);
  changed_.NotifyAll();
  return for_user;
}

bool ResumingTrainStream::End(absl::Status why) {
  end_ = std::move(why);
  client::MutexLock lock(mutex_);
  if (cancelled_ && !end_.ok()) end_ = absl::CancelledError("cancelled");
  ended_ = true;
  writable_ = false;
  changed_.NotifyAll();
  if (!end_.ok()) stream_->Cancel();
  return false;
}

bool ResumingTrainStream::Next(TrainAnswer* answer) {
  while (!TakeMade(answer)) {
    {
      client::MutexLock lock(mutex_);
      if (ended_) return false;
    }
    const bool regained = TakeRegained(answer);
    if (regained || reading_->Next(answer)) {
      absl::StatusOr<bool> for_user =
          Take(answer, regained && !regained_.complete);
      if (!for_user.ok()) return End(for_user.status());
      if (*for_user) return true;
      continue;
    }
    absl::Status finished = reading_->Finish();
    if (InGoodOrder(finished)) return End(absl::OkStatus());
    if (finished.ok()) {
      finished = absl::UnavailableError("the server ended the stream");
    }
    absl::Status resumed = Resume(finished);
    if (!resumed.ok()) return End(std::move(resumed));
  }
  return true;
}

bool ResumingTrainStream::InGoodOrder(const absl::Status& finished) const {
  client::MutexLock lock(mutex_);
  return finished.ok() && closed_ && ledger_.unanswered() == 0;
}

absl::Status ResumingTrainStream::Finish() {
  bool ended = false;
  {
    client::MutexLock lock(mutex_);
    ended = ended_;
  }
  if (!ended) End(reading_->Finish());
  return end_;
}

void ResumingTrainStream::Cancel() {
  reopening_.Cancel();
  client::MutexLock lock(mutex_);
  cancelled_ = true;
  changed_.NotifyAll();
  stream_->Cancel();
}

// What says goodbye takes its sessions in memory with it.
bool ResumingTrainStream::MayResume(const absl::Status& why) const {
  {
    client::MutexLock lock(mutex_);
    if (cancelled_) return false;
  }
  return MayPass(why) && (durable_ || ReasonOf(why) != "SHUTTING_DOWN");
}

bool ResumingTrainStream::WaitFor(RetryClock::TimePoint moment) {
  {
    client::MutexLock lock(mutex_);
    writable_ = false;
  }
  while (!GivenUp()) {
    client::MutexLock lock(mutex_);
    if (cancelled_) return false;
    const RetryClock::TimePoint now = options_.clock->Now();
    if (now >= moment) return true;
    options_.clock->WaitUntil(mutex_, changed_,
                              std::min(moment, now + kGlance));
  }
  return false;
}

absl::Status ResumingTrainStream::Attempt(Resumption* resumption) {
  if (!options_.give_up) return ResumeOnce(resumption);
  // Whoever answers slowly, or sends much, is not waited for in vain.
  auto attempt =
      std::async(std::launch::async, [&] { return ResumeOnce(resumption); });
  while (attempt.wait_for(kGlance) != std::future_status::ready) {
    if (options_.give_up()) reopening_.Cancel();
  }
  absl::Status status = attempt.get();
  return !status.ok() && options_.give_up() ? resumption->cause : status;
}

bool ResumingTrainStream::HasLasted() const {
  return options_.clock->Now() - opened_ > options_.retry.longest;
}

absl::Status ResumingTrainStream::Resume(const absl::Status& cause) {
  // Also without an answer, as of a stream that nothing was sent on.
  if (HasLasted()) backoff_.Succeeded();
  Resumption resumption{
      .cause = cause, .epoch_before = epoch_, .step_before = step_};
  absl::Status status = cause;
  bool told = false;
  while (MayResume(status)) {
    const auto moment = backoff_.Next(options_.clock->Now());
    if (!moment.has_value()) break;
    if (!std::exchange(told, true) && options_.on_break) {
      options_.on_break(cause);
    }
    if (!WaitFor(*moment)) break;
    status = Attempt(&resumption);
    if (!status.ok()) continue;
    if (options_.on_resume) options_.on_resume(resumption);
    return status;
  }
  return status;
}

v1::TrainRequest ResumingTrainStream::Opening(bool takeover) const {
  v1::TrainRequest opening;
  *opening.mutable_options() = options_.train;
  opening.set_takeover(takeover);
  if (replica_.has_value()) {
    opening.mutable_replica()->set_epoch(epoch_);
    opening.mutable_replica()->set_step(replica_->step());
  }
  return opening;
}

absl::Status ResumingTrainStream::ResumeOnce(Resumption* resumption) {
  // The stream that is gone may still be taken for the writer. But one that was
  // cancelled may have been replaced, and does not take the session back.
  const bool takeover = !absl::IsCancelled(resumption->cause);
  absl::StatusOr<std::shared_ptr<TrainStream>> stream = OpenTrainInTime(
      client_, session_, Opening(takeover), *options_.clock, &reopening_);
  if (!stream.ok()) return stream.status();
  const v1::TrainResponse& opening = (*stream)->opening();
  const std::vector<LostAnswer> lost = LostAnswers(opening);
  absl::StatusOr<RegainedAnswers> regained = Regain(**stream, lost);
  if (!regained.ok()) return regained.status();
  resumption->replica_anchored = NeedsAnchor(opening, *regained);
  if (resumption->replica_anchored) {
    absl::Status status = AnchorReplica(regained->step);
    if (!status.ok()) return status;
  }
  absl::Status status = GoOn(*std::move(stream), lost.size(), resumption);
  if (status.ok()) regained_ = *std::move(regained);
  return status;
}

// What was learnt of the inputs is not asked for: where that is in a message
// the stream would have to know how far learning had come.
std::vector<LostAnswer> ResumingTrainStream::LostAnswers(
    const v1::TrainResponse& opening) const {
  if (opening.epoch() != epoch_ || opening.resync()) return {};
  client::MutexLock lock(mutex_);
  std::vector<LostAnswer> lost = ledger_.Lost(opening.next_offset());
  if (!lost.empty() && lost.front().request->offset() < learn_end_) return {};
  return lost;
}

absl::StatusOr<RegainedAnswers> ResumingTrainStream::Regain(
    TrainStream& stream, const std::vector<LostAnswer>& lost) {
  if (lost.empty()) return RegainedAnswers{.step = stream.opening_step()};
  const auto scope = stream.CancelledBy(&reopening_);
  return AskAgain(stream, lost,
                  replica_.has_value() ? replica_->step() : step_);
}

bool ResumingTrainStream::NeedsAnchor(const v1::TrainResponse& opening,
                                      const RegainedAnswers& regained) const {
  if (!replica_.has_value()) return false;
  if (!regained.answers.empty()) return !regained.complete;
  // Learning makes no step, so the step does not tell that the answer was lost
  // which said what was learnt.
  const bool missed = learn_end_ > 0 && opening.next_offset() >= learn_end_ &&
                      replica_->input_format().mean.empty();
  return missed || opening.resync() || replica_->step() != opening.step();
}

absl::Status ResumingTrainStream::AnchorReplica(uint64_t step) {
  absl::StatusOr<Anchor> anchor = client_.DownloadWeights(
      session_.session_id(), /*with_state=*/true, &reopening_);
  if (!anchor.ok()) return anchor.status();
  if (anchor->step != step) {
    return absl::UnavailableError(
        "the session went on while its anchor was fetched");
  }
  return OfReplica(replica_->Restart(*std::move(anchor)));
}

absl::Status ResumingTrainStream::GoOn(std::shared_ptr<TrainStream> stream,
                                       size_t asked, Resumption* resumption) {
  if (resender_.joinable()) resender_.join();
  client::MutexLock lock(mutex_);
  // The call that it writes to is over, so it soon is too.
  while (writing_) changed_.Wait(mutex_);
  absl::StatusOr<SampleLedger::Resent> resent =
      ledger_.Resume(stream->opening(), asked);
  if (!resent.ok()) return resent.status();
  std::move(resent->made.begin(), resent->made.end(),
            std::back_inserter(made_));
  opened_ = options_.clock->Now();
  resumption->samples_resent = resent->samples;
  resumption->samples_repeated = resent->repeated;
  resumption->epoch = epoch_ = stream->opening().epoch();
  resumption->step = step_ = stream->opening_step();
  reading_ = stream_ = std::move(stream);
  writable_ = true;
  closed_ = false;
  if (cancelled_) stream_->Cancel();
  changed_.NotifyAll();
  // The reader may not write: it would wait for itself to read.
  resender_ = std::thread([this] { WriteUnsent(); });
  return absl::OkStatus();
}

}  // namespace backprop
