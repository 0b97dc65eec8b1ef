// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/response_outbox.h"

#include <utility>

#include "server/calls/response_merge.h"
#include "server/rpc/byte_buffer.h"
#include "server/sessions/out_of_memory.h"

namespace backprop {

size_t ResponseOutbox::Push(grpc::ByteBuffer response) {
  const size_t length = response.Length();
  queue_.push_back(std::move(response));
  metrics_.RecordSentBytes(length);
  return length;
}

void ResponseOutbox::Send(grpc::ByteBuffer response) {
  flow_.AnswerQueued(Push(std::move(response)));
}

absl::Status ResponseOutbox::SendOrHold(size_t scalar_count,
                                        v1::TrainResponse* response) {
  return CatchOutOfMemory([&] {
    if (!flow_.MayHold()) {
      Send(Serialize(*response));
      return absl::OkStatus();
    }
    if (held_ != nullptr) {
      bool merged = false;
      absl::Status status = CatchOutOfMemory([&] {
        merged = MergeResponse(*response, scalar_count, held_.get());
      });
      if (!status.ok()) {  // half of it may be merged
        held_.reset();
        flow_.HeldLost();
        return status;
      }
      if (merged) return absl::OkStatus();
      status = SendHeld();
      if (!status.ok()) return status;
    }
    held_ = std::make_unique<v1::TrainResponse>();
    held_->Swap(response);
    flow_.AnswerHeld();
    return absl::OkStatus();
  });
}

absl::Status ResponseOutbox::SendHeld() {
  const std::unique_ptr<v1::TrainResponse> held = std::move(held_);
  absl::Status status =
      CatchOutOfMemory([&] { flow_.HeldQueued(Push(Serialize(*held))); });
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
  grpc::ByteBuffer front = std::move(queue_.front());
  queue_.pop_front();
  return front;
}

}  // namespace backprop
