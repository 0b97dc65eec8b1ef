// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/evaluate.h"

#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "backprop/v1/training_service.pb.h"
#include "server/calls/evaluate.h"
#include "server/rpc/byte_buffer.h"
#include "server/sessions/rejection.h"

namespace backprop {
namespace {

// Reads and turns follow one another, so exactly one of them is under way at
// any time, and whoever ends it goes on or ends the call: no lock, one Finish.
// A cancelled call fails the next read, which is why OnCancel has nothing to
// do.
class EvaluateStream final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  EvaluateStream(ServiceContext& context, grpc::CallbackServerContext* rpc,
                 grpc::ByteBuffer* response)
      : context_(context),
        rpc_(rpc),
        response_(response),
        call_(context, Metrics::RpcType::kClientStream, "Evaluate") {}

  void Begin() {
    if (absl::Status status = Admit(context_); !status.ok()) return End(status);
    StartRead(&message_);
  }

  void OnReadDone(bool ok) noexcept override {
    if (!ok) return EndOfMessages();
    call_.MessageReceived();
    auto pending = PendingCall::Enter(context_, message_.Length());
    if (!pending.ok()) return End(pending.status());
    pending_ = *std::move(pending);
    // Not in the session's lane: which that is stands in the first message.
    context_.pool.Submit(
        [this](Worker&) { OrOutOfMemory([this] { TakeMessage(); }); });
  }

  void OnDone() noexcept override { delete this; }

 private:
  // A turn.
  void TakeMessage() {
    if (absl::Status status = Parse(&message_, &request_); !status.ok()) {
      return End(status);
    }
    const bool opens = !evaluator_;
    if (absl::Status status = Open(); !status.ok()) return End(status);
    const bool empty = request_.inputs().empty() &&
                       request_.targets().empty() && request_.classes().empty();
    if (opens && empty) return ReadOn();
    evaluator_->Begin(&request_);
    context_.pool.Submit(evaluator_->session()->lane(),
                         [this](Worker& worker) { TakeTurn(worker); });
  }

  void TakeTurn(Worker& worker) {
    OrOutOfMemory([this, &worker] { Evaluate(worker); });
  }

  // step ends in the call's end or in what goes on with it, and needs no memory
  // after that.
  template <typename Step>
  void OrOutOfMemory(Step step) {
    try {
      step();
    } catch (const std::bad_alloc&) {
      End(OutOfMemory());
    }
  }

  absl::Status Open() {
    if (evaluator_) {
      if (request_.session_id().empty()) return absl::OkStatus();
      return InvalidField("session_id",
                          "belongs into the stream's first message only");
    }
    auto session = FindSession(context_, request_.session_id());
    if (!session.ok()) return session.status();
    evaluator_.emplace(*std::move(session));
    return absl::OkStatus();
  }

  // A turn of the session's lane.
  void Evaluate(Worker& worker) {
    if (rpc_->IsCancelled()) return End(absl::CancelledError("cancelled"));
    const std::optional<absl::Status> status = evaluator_->Next(worker);
    if (!status) {
      context_.pool.SubmitNext(evaluator_->session()->lane(),
                               [this](Worker& next) { TakeTurn(next); });
    } else if (status->ok()) {
      ReadOn();
    } else {
      End(*status);
    }
  }

  void ReadOn() {
    pending_.reset();
    message_.Clear();
    StartRead(&message_);
  }

  void EndOfMessages() {
    if (rpc_->IsCancelled()) return End(absl::CancelledError("cancelled"));
    if (!evaluator_) {
      return End(InvalidField("session_id",
                              "the stream ended before its first message, "
                              "which must set session_id"));
    }
    v1::EvaluateResponse answer;
    const absl::Status status = evaluator_->Finish(&answer);
    if (status.ok()) {
      *response_ = Serialize(answer);
      call_.MessageSent();
    }
    End(status);
  }

  // *this may be gone afterwards.
  void End(const absl::Status& status) {
    pending_.reset();
    evaluator_.reset();  // before the client can see the end
    Finish(call_.End(status));
  }

  // Constant after construction.
  ServiceContext& context_;
  grpc::CallbackServerContext* const rpc_;
  grpc::ByteBuffer* const response_;

  // Owned by the read or turn that is under way.
  ServiceCall call_;
  grpc::ByteBuffer message_;
  v1::EvaluateRequest request_;
  std::optional<SampleEvaluator> evaluator_;  // set by the first message
  std::unique_ptr<PendingCall> pending_;
};

}  // namespace

grpc::ServerReadReactor<grpc::ByteBuffer>* OpenEvaluateStream(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    grpc::ByteBuffer* response) {
  auto* const stream = new EvaluateStream(context, rpc, response);
  stream->Begin();
  return stream;
}

}  // namespace backprop
