// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/get_weights.h"

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "backprop/v1/training_service.pb.h"
#include "engine/contract/digest.h"
#include "server/rpc/byte_buffer.h"
#include "server/sessions/rejection.h"
#include "server/translation/continuation.h"
#include "server/translation/input.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

// Numbers in a chunk: 256 KiB are copied within a reaction in some tens of
// microseconds, and lie well below gRPC's default receive limit.
constexpr size_t kChunkNumbers = 64 * 1024;

// First a turn that allocates, one of the session's lane that copies, and one
// that looks at the copy; then one write after the other. Exactly one of them
// is under way at any time, and whoever ends it goes on or ends the call. No
// lock, one Finish. A cancelled call fails the next write, which is why
// OnCancel has nothing to do.
class WeightsStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  WeightsStream(ServiceContext& context, grpc::CallbackServerContext* rpc)
      : context_(context),
        rpc_(rpc),
        call_(context, Metrics::RpcType::kServerStream, "GetWeights") {}

  ~WeightsStream() override { context_.snapshot_weights.Return(reserved_); }

  void Begin(grpc::ByteBuffer request) {
    call_.MessageReceived();
    absl::Status status = Admit(context_);
    try {
      if (status.ok()) status = Enter(std::move(request));
    } catch (const std::bad_alloc&) {
      status = OutOfMemory();
    }
    if (!status.ok()) return End(status);
    Submit(std::make_shared<Lane>(), &WeightsStream::Allocate);
  }

  void OnWriteDone(bool ok) noexcept override {
    if (!ok) return End(absl::CancelledError("cancelled"));
    if (next_ == numbers_.size()) return End(absl::OkStatus());
    chunk_.clear_continuation();  // the first chunk had them
    chunk_.clear_spec();
    WriteChunk();
  }

  void OnDone() noexcept override { delete this; }

 private:
  absl::Status Enter(grpc::ByteBuffer bytes) {
    const size_t length = bytes.Length();
    v1::GetWeightsRequest request;
    absl::Status status = ParseSmall(&bytes, &request);
    if (!status.ok()) return status;
    auto session = FindSession(context_, request.session_id());
    if (!session.ok()) return session.status();
    auto pending = PendingCall::Enter(context_, length);
    if (!pending.ok()) return pending.status();
    size_t count = (*session)->weights().size();
    if (request.with_state()) count += (*session)->state().size();
    if (!context_.snapshot_weights.Take(count)) {
      return Rejection(kQueueLimit,
                       "too many weights are being sent to others already "
                       "(--max-total-weights): try again with backoff");
    }
    reserved_ = count;
    with_state_ = request.with_state();
    pending_ = *std::move(pending);
    session_ = *std::move(session);
    return absl::OkStatus();
  }

  void Submit(const std::shared_ptr<Lane>& lane,
              void (WeightsStream::*turn)()) {
    context_.pool.Submit(lane, [this, turn](Worker&) {
      try {
        (this->*turn)();
      } catch (const std::bad_alloc&) {
        End(OutOfMemory());
      }
    });
  }

  // A turn of its own: training waits for no page of the copy.
  void Allocate() {
    numbers_.resize(reserved_);
    Submit(session_->lane(), &WeightsStream::Copy);
  }

  // A turn of the session's lane.
  void Copy() {
    if (rpc_->IsCancelled()) return End(absl::CancelledError("cancelled"));
    standing_ = session_->standing();
    const Progress& progress = standing_.progress;
    const std::span<const float> weights = session_->weights();
    const auto state_begin =
        std::copy(weights.begin(), weights.end(), numbers_.begin());
    if (numbers_.size() > weights.size()) {
      const std::span<const float> state = session_->state();
      std::copy(state.begin(), state.end(), state_begin);
    }
    chunk_.set_step(progress.step);
    chunk_.set_next_offset(progress.next_offset);
    chunk_.set_weight_count(weights.size());
    feed_ = session_->shared_feed();
    feed_->Anchor(progress.step, DeltaFeed::Clock::now());
    spec_ = session_->spec();
    layout_ = session_->layout();
    session_.reset();  // it may be deleted while its weights are sent
    Submit(std::make_shared<Lane>(), &WeightsStream::BeginToSend);
  }

  // A turn of its own.
  void BeginToSend() {
    pending_.reset();
    chunk_.set_digest(
        Digest({numbers_.data(), static_cast<size_t>(chunk_.weight_count())}));
    if (!spec_->input.mean.empty()) {
      StandardisationToProto(*spec_, chunk_.mutable_standardisation());
    }
    ContinuationToProto(standing_, *spec_, with_state_,
                        chunk_.mutable_continuation());
    *chunk_.mutable_spec() = SpecToProto(*spec_, *layout_);
    standing_.standardiser.reset();
    layout_.reset();
    spec_.reset();
    WriteChunk();
  }

  void WriteChunk() {
    feed_->Extend(DeltaFeed::Clock::now());  // until the anchor is there
    const size_t count = std::min(kChunkNumbers, numbers_.size() - next_);
    chunk_.set_first_weight(next_);
    chunk_.set_weights(numbers_.data() + next_, count * sizeof(float));
    next_ += count;
    call_.MessageSent();
    outgoing_ = Serialize(chunk_);
    StartWrite(&outgoing_);
  }

  // *this may be gone afterwards.
  void End(const absl::Status& status) {
    pending_.reset();
    session_.reset();
    Finish(call_.End(status));
  }

  // Constant after construction.
  ServiceContext& context_;
  grpc::CallbackServerContext* const rpc_;

  // Owned by the turn or write that is under way.
  ServiceCall call_;
  std::shared_ptr<Session> session_;
  bool with_state_ = false;
  std::shared_ptr<DeltaFeed> feed_;  // once the weights are copied
  std::unique_ptr<PendingCall> pending_;
  size_t reserved_ = 0;         // of context_.snapshot_weights
  std::vector<float> numbers_;  // the copy: weights, then state if wanted
  std::shared_ptr<const SessionSpec> spec_;  // of the copy's moment
  std::optional<Layout> layout_;             // of spec_
  Standing standing_;                        // of that moment
  v1::GetWeightsResponse chunk_;
  grpc::ByteBuffer outgoing_;  // of the write under way
  size_t next_ = 0;            // first number not yet written
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* OpenWeightsStream(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const grpc::ByteBuffer& request) {
  auto* const stream = new WeightsStream(context, rpc);
  stream->Begin(request);
  return stream;
}

}  // namespace backprop
