// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/evaluate.h"

#include <memory>
#include <optional>
#include <utility>

#include "backprop/v1/training_service.pb.h"
#include "server/calls/evaluate.h"
#include "server/calls/residency.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/service_call.h"
#include "server/sessions/out_of_memory.h"
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
    if (!ok) return End(CatchOutOfMemory([this] { return Answer(); }));
    call_.MessageReceived();
    auto pending = PendingCall::Enter(context_, message_.Length());
    if (!pending.ok()) return End(pending.status());
    pending_ = *std::move(pending);
    // Not in the session's lane: which that is stands in the first message.
    context_.pool.Submit(
        [this](Worker&) { Try([this] { return TakeMessage(); }); });
  }

  void OnDone() noexcept override { delete this; }

 private:
  // part fails, or has begun what goes on with the call when it returns; *this
  // may be gone then.
  template <typename Part>
  void Try(Part part) {
    const absl::Status status = CatchOutOfMemory(part);
    if (!status.ok()) End(status);
  }

  // A turn.
  absl::Status TakeMessage() {
    absl::Status status = Parse(&message_, &request_);
    if (!status.ok()) return status;
    Residency found;
    if (!evaluator_) found = LookFor(context_, request_.session_id());
    return found.in_store ? AwaitSession() : Take();
  }

  // Goes on in a turn.
  absl::Status AwaitSession() {
    BringIntoMemory(context_, request_.session_id(), [this](auto session) {
      if (!session.ok()) return End(session.status());
      Try([this] { return Take(); });
    });
    return absl::OkStatus();
  }

  // What has been parsed.
  absl::Status Take() {
    const bool opens = !evaluator_;
    absl::Status status = Open();
    if (!status.ok()) return status;
    const bool empty = request_.inputs().empty() &&
                       request_.targets().empty() && request_.classes().empty();
    if (opens && empty) {
      ReadOn();
      return absl::OkStatus();
    }
    evaluator_->Begin(&request_);
    context_.pool.Submit(evaluator_->session()->lane(),
                         [this](Worker& worker) { TakeTurn(worker); });
    return absl::OkStatus();
  }

  void TakeTurn(Worker& worker) {
    Try([this, &worker] { return Evaluate(worker); });
  }

  absl::Status Open() {
    if (evaluator_) {
      if (request_.session_id().empty()) return absl::OkStatus();
      return InvalidField("session_id",
                          "may be set in the stream's first message only");
    }
    auto session = FindSession(context_, request_.session_id());
    if (!session.ok()) return session.status();
    evaluator_.emplace(*std::move(session));
    return absl::OkStatus();
  }

  // A turn of the session's lane.
  absl::Status Evaluate(Worker& worker) {
    if (rpc_->IsCancelled()) return absl::CancelledError("cancelled");
    std::optional<absl::Status> status = evaluator_->Next(worker);
    if (!status) {
      context_.pool.SubmitNext(evaluator_->session()->lane(),
                               [this](Worker& next) { TakeTurn(next); });
      return absl::OkStatus();
    }
    if (status->ok()) ReadOn();
    return *std::move(status);
  }

  void ReadOn() {
    pending_.reset();
    message_.Clear();
    StartRead(&message_);
  }

  // All messages have come.
  absl::Status Answer() {
    if (rpc_->IsCancelled()) return absl::CancelledError("cancelled");
    if (!evaluator_) {
      return InvalidField("session_id",
                          "the stream ended before its first message, which "
                          "must set session_id");
    }
    v1::EvaluateResponse answer;
    absl::Status status = evaluator_->Finish(&answer);
    if (!status.ok()) return status;
    *response_ = Serialize(answer);
    call_.MessageSent();
    return absl::OkStatus();
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

grpc::ServerReadReactor<grpc::ByteBuffer>* OpenEvaluate(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    grpc::ByteBuffer* response) {
  auto* const stream = new EvaluateStream(context, rpc, response);
  stream->Begin();
  return stream;
}

}  // namespace backprop
