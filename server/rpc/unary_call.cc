// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/unary_call.h"

#include "server/sessions/out_of_memory.h"

namespace backprop {
namespace {

// Takes some tens of microseconds to parse, whatever it holds.
constexpr size_t kSmallRequest = 8192;

// One call on its way. One thread has it at a time; it frees itself when its
// answer has been sent.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(ServiceContext& context, grpc::CallbackServerContext* rpc,
            const char* method)
      : context_(context),
        rpc_(rpc),
        call_(context, Metrics::RpcType::kUnary, method) {
    call_.MessageReceived();
  }

  void AnswerNow(const grpc::ByteBuffer& answer,
                 const std::function<absl::Status()>& body) {
    absl::Status status = Admit(context_);
    if (status.ok()) status = CatchOutOfMemory(body);
    if (status.ok()) status = TakeRoom(answer.Length(), "session_id");
    End(status);
  }

  void Start(size_t bytes, std::function<absl::StatusOr<Work>()> open,
             std::function<size_t()> sent_bytes) {
    sent_bytes_ = std::move(sent_bytes);
    if (absl::Status status = Admit(context_); !status.ok()) return End(status);
    auto pending = PendingCall::Enter(context_, bytes);
    if (!pending.ok()) return End(pending.status());
    pending_ = *std::move(pending);
    if (bytes <= kSmallRequest) return Open(open);
    context_.pool.Submit(
        [this, open = std::move(open)](Worker&) { Open(open); });
  }

  void OnDone() noexcept override { delete this; }

 private:
  void Open(const std::function<absl::StatusOr<Work>()>& open) {
    absl::StatusOr<Work> work = CatchOutOfMemory(open);
    if (!work.ok()) return End(work.status());
    work_ = *std::move(work);
    const absl::Status status =
        TakeRoom(work_.answer_bytes, work_.answer_field);
    if (!status.ok()) return End(status);
    if (work_.lane == nullptr) work_.lane = std::make_shared<Lane>();
    context_.pool.Submit(work_.lane, [this](Worker& worker) { Take(worker); });
  }

  absl::Status TakeRoom(size_t bytes, std::string_view field) {
    auto room = RoomForAnswer(context_, bytes, field);
    if (room.ok()) room_ = *std::move(room);
    return room.status();
  }

  // A turn of the work's lane.
  void Take(Worker& worker) {
    if (rpc_->IsCancelled()) return End(absl::CancelledError("cancelled"));
    // A part changes nothing before it has its memory.
    const std::optional<absl::Status> status =
        CatchOutOfMemory([&] { return work_.part(worker); });
    if (!status) {
      context_.pool.SubmitNext(work_.lane,
                               [this](Worker& next) { Take(next); });
      return;
    }
    if (status->ok()) room_.ShrinkTo(sent_bytes_());
    End(*status);
  }

  // *this may be gone afterwards.
  void End(const absl::Status& status) {
    if (status.ok()) {
      call_.MessageSent();
    } else {
      room_ = {};
    }
    work_ = Work();
    pending_.reset();
    Finish(call_.End(status));
  }

  // Constant after construction.
  ServiceContext& context_;
  grpc::CallbackServerContext* const rpc_;  // null: answered at once

  ServiceCall call_;
  std::unique_ptr<PendingCall> pending_;
  Budget::Reservation room_;  // until the answer has been sent
  std::function<size_t()> sent_bytes_;
  Work work_;
};

}  // namespace

grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context, const char* method,
                                    const grpc::ByteBuffer& answer,
                                    const std::function<absl::Status()>& body) {
  auto* const call = new UnaryCall(context, nullptr, method);
  call->AnswerNow(answer, body);
  return call;
}

grpc::ServerUnaryReactor* AnswerInTurns(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const char* method, size_t request_bytes,
    std::function<absl::StatusOr<Work>()> open,
    std::function<size_t()> sent_bytes) {
  auto* const call = new UnaryCall(context, rpc, method);
  call->Start(request_bytes, std::move(open), std::move(sent_bytes));
  return call;
}

}  // namespace backprop
