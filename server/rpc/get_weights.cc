// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/get_weights.h"

#include <memory>
#include <utility>

#include "backprop/v1/training_service.pb.h"
#include "server/calls/residency.h"
#include "server/rpc/anchor_copy.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/service_call.h"
#include "server/sessions/out_of_memory.h"

namespace backprop {
namespace {

// First an anchor is taken; then one write follows the other. Exactly one of
// them is under way at any time, and whoever ends it goes on or ends the call.
// No lock, one Finish. A cancelled call fails the next write, which is why
// OnCancel has nothing to do.
class GetWeightsStream final
    : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  GetWeightsStream(ServiceContext& context, grpc::CallbackServerContext* rpc)
      : context_(context),
        rpc_(rpc),
        call_(context, Metrics::RpcType::kServerStream, "GetWeights") {}

  void Begin(grpc::ByteBuffer request) {
    call_.MessageReceived();
    if (absl::Status status = Admit(context_); !status.ok()) return End(status);
    const absl::Status status =
        CatchOutOfMemory([&] { return Enter(std::move(request)); });
    if (!status.ok()) End(status);
  }

  void OnWriteDone(bool ok) noexcept override {
    if (!ok) return End(absl::CancelledError("cancelled"));
    if (next_ >= anchor_->size()) return End(absl::OkStatus());
    WriteChunk();
  }

  void OnDone() noexcept override { delete this; }

 private:
  absl::Status Enter(grpc::ByteBuffer bytes) {
    auto pending = PendingCall::Enter(context_, bytes.Length());
    if (!pending.ok()) return pending.status();
    pending_ = *std::move(pending);
    absl::Status status = ParseSmall(&bytes, &request_);
    if (!status.ok()) return status;
    const Residency found = LookFor(context_, request_.session_id());
    if (!found.in_store) return Take();
    BringIntoMemory(context_, request_.session_id(), [this](auto session) {
      absl::Status loaded = session.status();
      if (loaded.ok()) loaded = CatchOutOfMemory([this] { return Take(); });
      if (!loaded.ok()) End(loaded);
    });
    return absl::OkStatus();
  }

  absl::Status Take() {
    auto session = FindSession(context_, request_.session_id());
    if (!session.ok()) return session.status();
    return TakeAnchor(context_,
                      {.session = *std::move(session),
                       .with_state = request_.with_state(),
                       .before_copy =
                           [this](Session&) {
                             return rpc_->IsCancelled()
                                        ? absl::CancelledError("cancelled")
                                        : absl::OkStatus();
                           },
                       .done =
                           [this](absl::StatusOr<SharedAnchor> anchor) {
                             if (!anchor.ok()) return End(anchor.status());
                             anchor_ = *std::move(anchor);
                             pending_.reset();
                             WriteChunk();
                           }});
  }

  void WriteChunk() {
    const absl::Status status =
        CatchOutOfMemory([this] { chunk_ = anchor_->Chunk(next_); });
    if (!status.ok()) return End(status);
    next_ += kAnchorChunkNumbers;
    call_.MessageSent();
    StartWrite(&chunk_);
  }

  // *this may be gone afterwards.
  void End(const absl::Status& status) {
    pending_.reset();
    Finish(call_.End(status));
  }

  // Constant after construction.
  ServiceContext& context_;
  grpc::CallbackServerContext* const rpc_;

  // Owned by the turn or write that is under way.
  ServiceCall call_;
  v1::GetWeightsRequest request_;
  std::unique_ptr<PendingCall> pending_;
  SharedAnchor anchor_;  // once it is taken
  grpc::ByteBuffer chunk_;
  size_t next_ = 0;  // first number not yet written
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* OpenGetWeights(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const grpc::ByteBuffer& request) {
  auto* const stream = new GetWeightsStream(context, rpc);
  stream->Begin(request);
  return stream;
}

}  // namespace backprop
