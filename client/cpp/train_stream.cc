// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/train_stream.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cpp/call_status.h"
#include "client/cpp/session_layout.h"

namespace backprop {
namespace {

// What a goodbye means, with the reason that a refused call would have.
absl::Status ShutDown(const std::string& message) {
  return WithReason(absl::UnavailableError(message), "SHUTTING_DOWN");
}

}  // namespace

TrainStream::TrainStream(std::unique_ptr<grpc::ClientContext> context,
                         std::unique_ptr<Call> call, size_t sample_bytes,
                         size_t batch_size, v1::DeltaDetail detail,
                         const SendWindow& window)
    : context_(std::move(context)),
      call_(std::move(call)),
      sample_bytes_(sample_bytes),
      batch_size_(batch_size),
      detail_(detail),
      window_(window) {}

absl::StatusOr<std::unique_ptr<TrainStream>> TrainStream::Open(
    std::unique_ptr<grpc::ClientContext> context, std::unique_ptr<Call> call,
    const v1::Session& session, const v1::TrainOptions& options,
    const SendWindow& window, Cancellation* cancellation) {
  v1::TrainRequest opening;
  *opening.mutable_options() = options;
  return OpenWith(std::move(context), std::move(call), session,
                  std::move(opening), window, cancellation);
}

absl::StatusOr<std::unique_ptr<TrainStream>> TrainStream::OpenWith(
    std::unique_ptr<grpc::ClientContext> context, std::unique_ptr<Call> call,
    const v1::Session& session, v1::TrainRequest opening,
    const SendWindow& window, Cancellation* cancellation) {
  absl::StatusOr<InputFormat> format = InputFormatOf(session.spec());
  if (!format.ok()) return format.status();
  const size_t sample_bytes =
      session.spec().input_size() * ElementSize(format->element_type);
  if (sample_bytes == 0) {
    return absl::InvalidArgumentError("spec.input_size is 0");
  }
  const v1::DeltaDetail detail =
      opening.options().deltas() == v1::DELTA_DETAIL_UNSPECIFIED
          ? v1::DELTA_DETAIL_FACTORS
          : opening.options().deltas();
  std::unique_ptr<TrainStream> stream(new TrainStream(
      std::move(context), std::move(call), sample_bytes,
      std::max<size_t>(1, session.spec().batch_size()), detail, window));
  const Cancellation::Scope scope(cancellation, stream->context_.get());
  opening.set_session_id(session.session_id());
  // A failed write means that the call ended; ReadOpening says why.
  stream->call_->Write(opening);
  absl::Status status = stream->ReadOpening(session);
  if (!status.ok()) return status;
  return stream;
}

absl::Status TrainStream::ReadOpening(const v1::Session& session) {
  v1::TrainResponse opened;
  if (!call_->Read(&opened)) {
    absl::Status status = Finish();
    return status.ok() ? absl::InternalError(
                             "the server ended the stream without a word")
                       : status;
  }
  if (opened.has_rejection()) return FromRejection(opened.rejection());
  if (opened.goodbye()) return ShutDown("the server is shutting down");
  if (opened.message_number() != 0 || !opened.message_done()) {
    return absl::InternalError(
        "the server's first response does not answer the opening");
  }
  opening_ = std::move(opened);
  // A fork knows its standardisation from the start, whatever learn_samples is.
  const v1::Standardisation& standardisation =
      session.spec().input().standardisation();
  if (standardisation.mean().empty() &&
      opening_offset() < standardisation.learn_samples()) {
    learnt_to_ = opening_offset();
    learn_end_ = standardisation.learn_samples();
  }
  return absl::OkStatus();
}

TrainStream::~TrainStream() {
  if (finished_) return;
  context_->TryCancel();
  call_->Finish();
}

bool TrainStream::FullFor(size_t bytes) const {
  return !unanswered_.empty() && (unanswered_.size() >= window_.messages ||
                                  unanswered_bytes_ + bytes > window_.bytes);
}

bool TrainStream::WindowFull() const {
  client::MutexLock lock(mutex_);
  // The next message is taken to be as large as the last one sent.
  return FullFor(unanswered_.empty() ? 0 : unanswered_.back().bytes);
}

bool TrainStream::Send(v1::TrainRequest request) {
  return Send(std::make_shared<const v1::TrainRequest>(std::move(request)));
}

// Shared: the answer may be read, and the entry dropped, before Write returns.
bool TrainStream::Send(const std::shared_ptr<const v1::TrainRequest>& request) {
  const size_t bytes =
      request->inputs().size() + request->targets().size() +
      sizeof(float) * static_cast<size_t>(request->sample_weights_size());
  {
    client::MutexLock lock(mutex_);
    while (!ended_ && FullFor(bytes)) changed_.Wait(mutex_);
    if (ended_) return false;
    unanswered_.push_back({next_number_++, bytes, 0, request});
    unanswered_bytes_ += bytes;
  }
  return call_->Write(*request);
}

void TrainStream::CloseSending() { call_->WritesDone(); }

absl::Status TrainStream::PassOver(const v1::TrainResponse& response,
                                   Unanswered* oldest) {
  // Division, because the server's numbers may be anything.
  const uint64_t left =
      (oldest->request->inputs().size() - oldest->input_bytes_answered) /
      sample_bytes_;
  const uint64_t skipped = response.skipped_samples();
  if (skipped > left) {
    return absl::InternalError(absl::StrFormat(
        "the server skipped %d samples, more than were sent", skipped));
  }
  // Until all is learnt nobody else can train, so the offset tells how many
  // samples of this message were learnt from.
  const uint64_t learnt_to =
      std::clamp(response.next_offset(), learnt_to_, learn_end_);
  const uint64_t learnt = learnt_to - learnt_to_;
  if (learnt > left - skipped) {
    return absl::InternalError(absl::StrFormat(
        "the server learnt from %d samples, more than were sent", learnt));
  }
  learnt_to_ = learnt_to;
  oldest->input_bytes_answered += (skipped + learnt) * sample_bytes_;
  return absl::OkStatus();
}

absl::Status TrainStream::Match(TrainAnswer* answer) {
  const v1::TrainResponse& response = answer->response;
  answer->request = nullptr;
  answer->inputs = {};
  answer->joined = nullptr;
  answer->detail = detail_;
  if (response.durable_news()) return absl::OkStatus();
  client::MutexLock lock(mutex_);
  if (response.first_message_number() != 0) return MatchSeveral(answer);
  if (unanswered_.empty() ||
      unanswered_.front().number != response.message_number()) {
    if (response.goodbye() && response.step() == response.base_step()) {
      return absl::OkStatus();
    }
    return absl::InternalError(absl::StrFormat(
        "the server answers message %d, which is not the oldest unanswered",
        response.message_number()));
  }
  Unanswered& oldest = unanswered_.front();
  absl::Status status = PassOver(response, &oldest);
  if (!status.ok()) return status;
  const std::string& inputs = oldest.request->inputs();
  const size_t left = inputs.size() - oldest.input_bytes_answered;
  const uint64_t steps = response.step() - response.base_step();
  if (response.step() < response.base_step() ||
      steps > left / sample_bytes_ / batch_size_) {
    return absl::InternalError(absl::StrFormat(
        "the server answers steps %d to %d, more than were sent",
        response.base_step(), response.step()));
  }
  const size_t answered = steps * batch_size_ * sample_bytes_;
  answer->request = oldest.request;
  answer->inputs =
      std::string_view(inputs).substr(oldest.input_bytes_answered, answered);
  oldest.input_bytes_answered += answered;
  if (response.message_done()) DropOldest();
  return absl::OkStatus();
}

void TrainStream::DropOldest() {
  unanswered_bytes_ -= unanswered_.front().bytes;
  unanswered_.pop_front();
  changed_.NotifyAll();
}

absl::Status TrainStream::MatchSeveral(TrainAnswer* answer) {
  const v1::TrainResponse& response = answer->response;
  const uint64_t last = response.message_number();
  if (unanswered_.empty() || response.step() < response.base_step() ||
      unanswered_.front().number != response.first_message_number() ||
      last < response.first_message_number() ||
      last > unanswered_.back().number) {
    return absl::InternalError(absl::StrFormat(
        "the server answers messages %d to %d, which are not the oldest "
        "unanswered",
        response.first_message_number(), last));
  }
  const size_t row_bytes = batch_size_ * sample_bytes_;
  uint64_t steps = response.step() - response.base_step();
  auto joined = std::make_shared<std::string>();
  while (true) {
    Unanswered& oldest = unanswered_.front();
    const std::string& inputs = oldest.request->inputs();
    const bool whole = oldest.number < last || response.message_done();
    const uint64_t left =
        (inputs.size() - oldest.input_bytes_answered) / row_bytes;
    const uint64_t taken = whole ? left : std::min(left, steps);
    if (taken > steps || (oldest.number == last && taken != steps)) {
      return absl::InternalError(
          absl::StrFormat("the server answers steps %d to %d, which are not "
                          "those of messages %d to %d",
                          response.base_step(), response.step(),
                          response.first_message_number(), last));
    }
    joined->append(inputs, oldest.input_bytes_answered, taken * row_bytes);
    oldest.input_bytes_answered += taken * row_bytes;
    steps -= taken;
    answer->request = oldest.request;
    const bool at_last = oldest.number == last;
    if (whole) DropOldest();
    if (at_last) break;
  }
  answer->inputs = *joined;
  answer->joined = std::move(joined);
  return absl::OkStatus();
}

bool TrainStream::EndReading(absl::Status why) {
  if (!why.ok()) {
    fault_ = std::move(why);
    context_->TryCancel();
  }
  client::MutexLock lock(mutex_);
  ended_ = true;
  changed_.NotifyAll();
  return false;
}

bool TrainStream::Next(TrainAnswer* answer) {
  if (!call_->Read(&answer->response)) return EndReading(absl::OkStatus());
  absl::Status status = Match(answer);
  if (!status.ok()) return EndReading(std::move(status));
  goodbye_ |= answer->response.goodbye();
  return true;
}

void TrainStream::Cancel() { context_->TryCancel(); }

absl::Status TrainStream::Finish() {
  EndReading(absl::OkStatus());
  finished_ = true;
  absl::Status status = FromGrpc(call_->Finish());
  if (!fault_.ok()) return fault_;
  if (!status.ok()) return status;
  client::MutexLock lock(mutex_);
  if (goodbye_) {
    return ShutDown(absl::StrFormat(
        "the server has shut down, and sessions that it held in memory alone "
        "are gone; %d messages were not answered",
        unanswered_.size()));
  }
  if (!unanswered_.empty()) {
    return absl::UnavailableError(absl::StrFormat(
        "the server ended the stream with %d messages unanswered: open a new "
        "stream and go on from the offset that it names",
        unanswered_.size()));
  }
  return absl::OkStatus();
}

}  // namespace backprop
