// SPDX-License-Identifier: Apache-2.0
#include "server/service_unary.h"

namespace backprop {
namespace {

// Takes some tens of microseconds to parse, whatever it holds.
constexpr size_t kSmallRequest = 8192;

// One call on its way through the pool. One thread has it at a time.
class UnaryCall : public std::enable_shared_from_this<UnaryCall> {
 public:
  UnaryCall(ServiceContext& context, grpc::CallbackServerContext* rpc,
            const char* method)
      : context_(context),
        rpc_(rpc),
        reactor_(rpc->DefaultReactor()),
        call_(context, Metrics::RpcType::kUnary, method) {}

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  void Start(size_t bytes, std::function<absl::StatusOr<Work>()> open) {
    call_.MessageReceived();
    if (absl::Status status = Admit(context_); !status.ok()) return End(status);
    auto pending = PendingCall::Enter(context_, bytes);
    if (!pending.ok()) return End(pending.status());
    pending_ = *std::move(pending);
    if (bytes <= kSmallRequest) return Open(open);
    context_.pool.Submit([self = shared_from_this(), open = std::move(open)](
                             Worker&) { self->Open(open); });
  }

 private:
  void Open(const std::function<absl::StatusOr<Work>()>& open) {
    absl::StatusOr<Work> work = open();
    if (!work.ok()) return End(work.status());
    work_ = *std::move(work);
    if (work_.lane == nullptr) work_.lane = std::make_shared<Lane>();
    context_.pool.Submit(work_.lane, NextTurn());
  }

  Turn NextTurn() {
    return
        [self = shared_from_this()](Worker& worker) { self->TakeTurn(worker); };
  }

  void TakeTurn(Worker& worker) {
    if (rpc_->IsCancelled()) return End(absl::CancelledError("cancelled"));
    std::optional<absl::Status> status;
    try {
      status = work_.part(worker);
    } catch (const std::bad_alloc&) {
      // A part changes nothing before it has its memory.
      status = absl::ResourceExhaustedError(
          "the server is out of memory: try again with backoff");
    }
    if (status) return End(*status);
    context_.pool.SubmitNext(work_.lane, NextTurn());
  }

  void End(const absl::Status& status) {
    if (status.ok()) call_.MessageSent();
    work_ = Work();
    pending_.reset();
    reactor_->Finish(call_.End(status));
  }

  // Constant after construction; rpc_ and reactor_ may be gone after End.
  ServiceContext& context_;
  grpc::CallbackServerContext* const rpc_;
  grpc::ServerUnaryReactor* const reactor_;

  ServiceCall call_;
  std::unique_ptr<PendingCall> pending_;
  Work work_;
};

}  // namespace

grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context,
                                    grpc::CallbackServerContext* rpc,
                                    const char* method,
                                    const std::function<absl::Status()>& body) {
  ServiceCall call(context, Metrics::RpcType::kUnary, method);
  call.MessageReceived();
  absl::Status status = Admit(context);
  if (status.ok()) status = body();
  if (status.ok()) call.MessageSent();
  grpc::ServerUnaryReactor* reactor = rpc->DefaultReactor();
  reactor->Finish(call.End(status));
  return reactor;
}

grpc::ServerUnaryReactor* AnswerInTurns(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const char* method, size_t request_bytes,
    std::function<absl::StatusOr<Work>()> open) {
  const auto call = std::make_shared<UnaryCall>(context, rpc, method);
  grpc::ServerUnaryReactor* const reactor = call->reactor();
  call->Start(request_bytes, std::move(open));
  return reactor;
}

}  // namespace backprop
