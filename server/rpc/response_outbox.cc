// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/response_outbox.h"

#include <utility>
#include <vector>

#include "server/calls/response_merge.h"
#include "server/rpc/byte_buffer.h"
#include "server/sessions/out_of_memory.h"

namespace backprop {
namespace {

bool IsCovered(const std::optional<Progress>& until, const Progress& durable) {
  return !until.has_value() || (until->step <= durable.step &&
                                until->next_offset <= durable.next_offset);
}

grpc::ByteBuffer Joined(const grpc::ByteBuffer& first,
                        const grpc::ByteBuffer& second) {
  std::vector<grpc::Slice> slices, rest;
  first.Dump(&slices);
  second.Dump(&rest);
  slices.insert(slices.end(), rest.begin(), rest.end());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace

size_t ResponseOutbox::Push(const grpc::ByteBuffer& response,
                            std::optional<Progress> until) {
  const size_t length = response.Length();
  // One that was made while another was renewed says less than that.
  const bool is_old = until.has_value() || flow_.AnswersWait() || renewed_;
  queue_.push_back({response, until, is_old});
  metrics_.RecordSentBytes(length);
  return length;
}

void ResponseOutbox::Send(const grpc::ByteBuffer& response,
                          std::optional<Progress> until) {
  flow_.AnswerQueued(Push(response, until), until.has_value());
}

void ResponseOutbox::Release(const Progress& durable) {
  size_t ready = 0;
  while (ready < queue_.size() && IsCovered(queue_[ready].until, durable)) {
    ++ready;
  }
  flow_.AnswersReady(ready);
}

// A message's bytes followed by those of another are the first's fields with
// the second's in their places.
void ResponseOutbox::Renew(const Progress& durable) {
  renewed_ = true;
  v1::TrainResponse now;
  now.set_durable_step(durable.step);
  now.set_durable_offset(durable.next_offset);
  grpc::ByteBuffer& front = queue_.front().bytes;
  const size_t length = front.Length();
  const absl::Status status = CatchOutOfMemory([&] {
    front = Joined(front, Serialize(now));
    return absl::OkStatus();
  });
  if (status.ok()) flow_.FrontGrew(front.Length() - length);
}

absl::Status ResponseOutbox::SendOrHold(size_t scalar_count,
                                        v1::TrainResponse* response,
                                        std::optional<Progress> until) {
  return CatchOutOfMemory([&] {
    if (!flow_.MayHold()) {
      Send(Serialize(*response), until);
      return absl::OkStatus();
    }
    if (held_ != nullptr) {
      bool merged = false;
      absl::Status status = CatchOutOfMemory([&] {
        // What need not wait is not kept back by what must.
        merged = (held_until_.has_value() || !until.has_value()) &&
                 MergeResponse(*response, scalar_count, held_.get());
      });
      if (!status.ok()) {  // half of it may be merged
        held_.reset();
        flow_.HeldLost();
        return status;
      }
      if (merged && until.has_value()) held_until_ = until;
      if (merged) return absl::OkStatus();
      status = SendHeld();
      if (!status.ok()) return status;
    }
    held_ = std::make_unique<v1::TrainResponse>();
    held_->Swap(response);
    held_until_ = until;
    flow_.AnswerHeld();
    return absl::OkStatus();
  });
}

absl::Status ResponseOutbox::SendHeld() {
  const std::unique_ptr<v1::TrainResponse> held = std::move(held_);
  absl::Status status = CatchOutOfMemory([&] {
    flow_.HeldQueued(Push(Serialize(*held), held_until_),
                     held_until_.has_value());
  });
  if (!status.ok()) flow_.HeldLost();
  return status;
}

absl::Status ResponseOutbox::SendDurable(const v1::TrainResponse& news) {
  return CatchOutOfMemory([&] { flow_.DurableQueued(Push(Serialize(news))); });
}

absl::Status ResponseOutbox::SendGoodbye(const v1::TrainResponse& goodbye) {
  return CatchOutOfMemory(
      [&] { flow_.GoodbyeQueued(Push(Serialize(goodbye))); });
}

grpc::ByteBuffer ResponseOutbox::TakeFront() {
  grpc::ByteBuffer front = queue_.front().bytes;  // 1.51 does not move them
  queue_.pop_front();
  return front;
}

}  // namespace backprop
