// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/session_writer.h"

#include <utility>

#include "server/calls/train_opening.h"
#include "server/rpc/byte_buffer.h"
#include "server/sessions/rejection.h"

namespace backprop {

absl::Status SessionWriter::Open(grpc::ByteBuffer* first,
                                 const std::shared_ptr<Writer>& stream) {
  if (first->Length() > kLongestSmallRequest) {  // samples, likely
    return InvalidField("session_id",
                        "the first message must set session_id, and options, "
                        "replica and takeover if any");
  }
  v1::TrainRequest request;
  absl::Status status = Parse(first, &request);
  if (!status.ok()) return status;
  auto opening = OpenTraining(context_, request, stream);
  if (!opening.ok()) return opening.status();
  session_ = std::move(opening->session);
  coalesces_ = opening->coalesce;
  tells_durable_ = opening->tell_durable;
  resync_ = opening->resync;
  scalar_count_ = session_->layout().scalar_count();
  trainer_.emplace(session_, opening->content, opening->held, context_.metrics);
  return absl::OkStatus();
}

void SessionWriter::Close() {
  trainer_.reset();
  session_.reset();
}

absl::Status SessionWriter::Answer(TrainFlow::Part part,
                                   grpc::ByteBuffer* message, Worker& worker,
                                   v1::TrainResponse* response) {
  if (part == TrainFlow::Part::kOpening) {
    AnswerOpening(*session_, resync_, response);
    return absl::OkStatus();
  }
  if (part == TrainFlow::Part::kNextMessage) {
    const absl::Status parsed = Parse(message, &trainer_->request());
    trainer_->Begin(++messages_, parsed);
  }
  return trainer_->Next(worker, response);
}

std::optional<grpc::ByteBuffer> SessionWriter::TakeBytes(
    const v1::TrainResponse& response) {
  auto held = trainer_->TakeAnswerBytes();
  if (coalesces_) return std::nullopt;
  return held == nullptr ? Serialize(response) : Sharing(std::move(held));
}

std::optional<Progress> SessionWriter::EndMessage() {
  std::optional<Progress> until;
  if (trainer_->request().when_durable() && session_->is_durable()) {
    until = session_->in_turn().progress;
  }
  trainer_->End();
  return until;
}

void SessionWriter::HurryCommit(std::function<void()> heard) const {
  context_.committer->Await(
      session_, [heard = std::move(heard)](const absl::Status&) { heard(); });
}

std::optional<v1::TrainResponse> SessionWriter::News(
    const v1::TrainResponse& last) const {
  return DurableNews(*session_, last);
}

v1::TrainResponse SessionWriter::Goodbye() const {
  return backprop::Goodbye(*session_, messages_);
}

}  // namespace backprop
