// SPDX-License-Identifier: Apache-2.0
//
// A unary call between its bytes: answered within the reaction if it needs no
// turn, else in turns of the compute pool (calls/work.h).
#ifndef BACKPROP_SERVER_RPC_UNARY_CALL_H_
#define BACKPROP_SERVER_RPC_UNARY_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/calls/residency.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/service_call.h"
#include "server/sessions/out_of_memory.h"

namespace backprop {

// One call on its way. One thread has it at a time; it frees itself when its
// answer has been sent.
template <class Request, class Response>
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  using Answer = absl::Status (*)(ServiceContext&, const Request&, Response*);
  using SettledAnswer = absl::Status (*)(ServiceContext&, const Request&,
                                         Response*, Settle*);
  using Plan = absl::StatusOr<Work> (*)(ServiceContext&, const Request&,
                                        Response*);

  // context must outlive the call; rpc and both bytes are the call's own.
  UnaryCall(ServiceContext& context, const char* method,
            grpc::CallbackServerContext* rpc, const grpc::ByteBuffer* bytes,
            grpc::ByteBuffer* answer_bytes)
      : context_(context),
        rpc_(*rpc),
        bytes_(*bytes),
        answer_bytes_(*answer_bytes),
        call_(context, Metrics::RpcType::kUnary, method) {
    call_.MessageReceived();
  }

  // Each admits the call, and ends it. Once.

  // Here and now, but for what the answer has to wait for (work.h). A request
  // longer than kLongestSmallRequest is refused.
  void AnswerNow(Answer answer) {
    AnswerSettled(AnswerWith([this, answer] {
      return answer(context_, messages_->request, &messages_->response);
    }));
  }
  void AnswerNow(SettledAnswer answer) {
    AnswerSettled(AnswerWith([this, answer] {
      return answer(context_, messages_->request, &messages_->response,
                    &work_.settle);
    }));
  }

  // Asks plan what to do, here if the request is short, else in a turn; and
  // does that on the pool. Not gone on with when the client gives it up.
  // Refused with QUEUE_LIMIT when too many wait, or too much has been answered
  // that is not sent yet.
  void AnswerInTurns(Plan plan) {
    if (absl::Status status = Admit(context_); !status.ok()) return End(status);
    auto pending = PendingCall::Enter(context_, bytes_.Length());
    if (!pending.ok()) return End(pending.status());
    pending_ = *std::move(pending);
    if (bytes_.Length() <= kSmallRequest) return Open(plan);
    context_.pool.Submit([this, plan](Worker&) { Open(plan); });
  }

  void OnDone() noexcept override { delete this; }

 private:
  struct Messages {
    Request request;
    Response response;
  };

  // Takes some tens of microseconds to parse, whatever it holds.
  static constexpr size_t kSmallRequest = 8192;

  template <class Call>
  absl::Status AnswerWith(Call answer) {
    absl::Status status = Admit(context_);
    if (!status.ok()) return status;
    return CatchOutOfMemory([&] {
      grpc::ByteBuffer bytes = bytes_;
      absl::Status answered = ParseSmall(&bytes, &messages_->request);
      return answered.ok() ? answer() : answered;
    });
  }

  // The response is whole once work_.settle is done.
  void AnswerSettled(const absl::Status& status) {
    if (!status.ok() || !work_.settle) return EndAnswered(status);
    Await(work_.settle,
          [this](const absl::Status& settled) { EndAnswered(settled); });
  }

  void EndAnswered(const absl::Status& status) {
    if (!status.ok()) return End(status);
    End(CatchOutOfMemory([this] {
      answer_bytes_ = Serialize(messages_->response);
      return TakeRoom(answer_bytes_.Length(), "session_id");
    }));
  }

  // The session that the request is about is in memory from here on.
  void Open(Plan plan) {
    Residency found;
    const absl::Status status = CatchOutOfMemory([&] {
      grpc::ByteBuffer bytes = bytes_;
      absl::Status parsed = Parse(&bytes, &messages_->request);
      if (parsed.ok()) found = LookForSession();
      return parsed;
    });
    if (!status.ok()) return End(status);
    if (!found.in_store) return Begin(plan, std::move(found.session));
    const absl::Status asked = CatchOutOfMemory([&] {
      BringIntoMemory(context_, SessionFor(context_, messages_->request),
                      [this, plan](auto session) {
                        if (!session.ok()) return End(session.status());
                        Begin(plan, *std::move(session));
                      });
    });
    if (!asked.ok()) End(asked);
  }

  Residency LookForSession() {
    return LookFor(context_, SessionFor(context_, messages_->request));
  }

  // session: null where the request is about none that there is.
  void Begin(Plan plan, std::shared_ptr<Session> session) {
    session_ = std::move(session);
    const absl::Status status = CatchOutOfMemory([&] { return TryOpen(plan); });
    if (!status.ok()) return End(status);
    if (work_.lane == nullptr) work_.lane = std::make_shared<Lane>();
    if (!work_.begin) return Submit();
    Await(work_.begin, [this](const absl::Status& begun) {
      begun.ok() ? Submit() : End(begun);
    });
  }

  void Submit() {
    const absl::Status status = CatchOutOfMemory([this] {
      context_.pool.Submit(work_.lane,
                           [this](Worker& worker) { Take(worker); });
    });
    if (!status.ok()) End(status);
  }

  absl::Status TryOpen(Plan plan) {
    auto work = plan(context_, messages_->request, &messages_->response);
    if (!work.ok()) return work.status();
    work_ = *std::move(work);
    return TakeRoom(work_.answer_bytes, work_.answer_field);
  }

  absl::Status TakeRoom(size_t bytes, std::string_view field) {
    auto room = RoomForAnswer(context_, bytes, field);
    if (room.ok()) room_ = *std::move(room);
    return room.status();
  }

  // A turn of the work's lane.
  void Take(Worker& worker) {
    if (rpc_.IsCancelled()) return End(absl::CancelledError("cancelled"));
    // A part changes nothing before it has its memory.
    const std::optional<absl::Status> status = CatchOutOfMemory([&] {
      std::optional<absl::Status> done = work_.part(worker);
      if (done && done->ok()) answer_bytes_ = Serialize(messages_->response);
      return done;
    });
    if (!status) {
      context_.pool.SubmitNext(work_.lane,
                               [this](Worker& next) { Take(next); });
      return;
    }
    if (status->ok()) room_.ShrinkTo(answer_bytes_.Length());
    EndSettled(*status);
  }

  // status: of the answer, which waits for work_.settle if it is OK.
  void EndSettled(const absl::Status& status) {
    if (!status.ok() || !work_.settle) return End(status);
    Await(work_.settle, [this](const absl::Status& settled) { End(settled); });
  }

  // from: of work_. It is taken out, for what it calls may end the call, and
  // its work with it.
  template <class Then>
  void Await(Settle& from, Then then) {
    const Settle settle = std::move(from);
    const absl::Status begun = CatchOutOfMemory([&] { settle(then); });
    if (!begun.ok()) End(begun);
  }

  // *this may be gone afterwards.
  void End(const absl::Status& status) {
    if (status.ok()) {
      call_.MessageSent();
    } else {
      room_ = {};
    }
    work_ = Work();
    session_.reset();
    messages_.reset();
    pending_.reset();
    Finish(call_.End(status));
  }

  // Constant after construction.
  ServiceContext& context_;
  grpc::CallbackServerContext& rpc_;
  const grpc::ByteBuffer& bytes_;  // of the request

  grpc::ByteBuffer& answer_bytes_;
  ServiceCall call_;
  std::unique_ptr<PendingCall> pending_;
  Budget::Reservation room_;  // until the answer has been sent
  // Both gone before the answer has been sent: its room is for the bytes.
  std::unique_ptr<Messages> messages_ = std::make_unique<Messages>();
  // That the request is about, so that it stays in memory.
  std::shared_ptr<Session> session_;
  Work work_;  // uses them
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_UNARY_CALL_H_
