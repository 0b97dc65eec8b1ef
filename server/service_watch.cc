// SPDX-License-Identifier: Apache-2.0
#include "server/service_watch.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backprop/v1/training_service.pb.h"
#include "server/delta_feed.h"
#include "server/input_translation.h"
#include "server/rejection.h"
#include "server/service_bytes.h"

namespace backprop {
namespace {

using Message = std::shared_ptr<const std::string>;

// The bytes themselves, not a copy.
grpc::ByteBuffer Borrow(const Message& message) {
  auto* const owner = new Message(message);
  // Slices are read only; the signature is older than that.
  grpc::Slice slice(
      const_cast<char*>(message->data()), message->size(),
      [](void* kept) { delete static_cast<Message*>(kept); }, owner);
  return grpc::ByteBuffer(&slice, 1);
}

// First a turn of the session's lane, which makes it a reader of the session's
// feed; then one write after the other, each begun by whoever finds that there
// is something to write: the turn, the end of the write before, or news.
class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                          public DeltaReader,
                          public OpenStream,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  WatchStream(ServiceContext& context, OpenStreams& streams)
      : context_(context),
        streams_(streams),
        call_(context, Metrics::RpcType::kServerStream, "WatchDeltas") {
    context_.metrics.AddWatchStreams(1);
  }

  ~WatchStream() override { context_.metrics.AddWatchStreams(-1); }

  void Begin(grpc::ByteBuffer request) {
    streams_.Add(shared_from_this());
    call_.MessageReceived();
    absl::Status status = Admit(context_);
    if (status.ok()) status = Enter(std::move(request));
    if (status.ok()) return;
    Update([this, &status] { end_ = status; });
  }

  void OnNews() override {
    Update([] {});
  }

  void SayGoodbye() override {
    Update([this] { leaving_ = true; });
  }

  void OnWriteDone(bool ok) noexcept override {
    Update([this, ok] {
      writing_ = false;
      if (!ok) cancelled_ = true;
    });
  }

  void OnCancel() noexcept override {
    Update([this] { cancelled_ = true; });
  }

  void OnDone() noexcept override {
    context_.heap.SomethingFreed();
    streams_.Remove(shared_from_this());
  }

 private:
  template <typename Change>
  void Update(Change change) {
    const auto self = shared_from_this();  // Finish may let the last other go
    std::lock_guard lock(mutex_);
    change();
    Proceed();
  }

  absl::Status Enter(grpc::ByteBuffer bytes) {
    const size_t length = bytes.Length();
    v1::WatchDeltasRequest request;
    if (!Parse(&bytes, &request)) {
      return InvalidField("WatchDeltasRequest", "the message can't be parsed");
    }
    auto session = FindSession(context_, request.session_id());
    if (!session.ok()) return session.status();
    auto pending = PendingCall::Enter(context_, length);
    if (!pending.ok()) return pending.status();
    std::optional<uint64_t> after;
    if (request.has_after_step()) after = request.after_step();
    {
      std::lock_guard lock(mutex_);
      session_ = *std::move(session);
      turn_pending_ = true;
    }
    context_.pool.Submit(session_->lane(),
                         [self = shared_from_this(), after,
                          place = std::shared_ptr<PendingCall>(
                              *std::move(pending))](Worker&) mutable {
                           self->Open(after);
                           place.reset();
                         });
    return absl::OkStatus();
  }

  // A turn of the session's lane.
  void Open(std::optional<uint64_t> after_step) {
    const Progress progress = session_->progress();
    const uint64_t after = after_step.value_or(progress.step);
    absl::Status status;
    std::optional<uint64_t> place;
    if (after > progress.step) {
      status = Rejection(
          kStepNotReached,
          absl::StrCat("after_step is ", after, " but the session is at step ",
                       progress.step, ": watch from there or earlier"));
    } else {
      place =
          session_->feed().AddReader(shared_from_this(), after, progress.step);
    }
    if (status.ok() && !place.has_value()) {
      status = Rejection(
          kStepNotHeld,
          absl::StrCat("deltas from step ", after,
                       " on are not held (the session is at step ",
                       progress.step,
                       "): fetch the weights (GetWeights) and watch from their "
                       "step"));
    }
    v1::WatchDeltasResponse response;
    if (status.ok()) {
      response.set_base_step(after);
      response.set_step(after);
      response.set_next_offset(progress.next_offset -
                               (progress.step - after) *
                                   session_->layout().batch_size());
      const auto spec = session_->spec();
      if (!spec->input.mean.empty()) {
        StandardisationToProto(*spec, response.mutable_standardisation());
      }
    }
    Update([this, &status, &place, &response, after] {
      turn_pending_ = false;
      if (!status.ok()) {
        end_ = status;
        return;
      }
      place_ = *place;
      step_ = after;
      first_ = Serialize(response);
    });
  }

  // The rest: mutex_ held.

  void Proceed() {
    if (finished_ || writing_ || turn_pending_) return;
    if (cancelled_) return End(absl::CancelledError("cancelled"));
    if (end_.has_value()) return End(*end_);
    if (first_.Valid()) {
      Write(std::move(first_));
      first_.Clear();
      return;
    }
    if (session_ == nullptr) return;  // Enter goes on
    if (leaving_) return WriteLast(&SetGoodbye);
    const DeltaFeed::Place next = session_->feed().At(place_);
    if (!next.held) return WriteLast(&SetResync);
    if (next.piece.has_value()) {
      ++place_;
      step_ = next.piece->step;
      return Write(Borrow(next.piece->message));
    }
    if (session_->feed().closed()) WriteLast(&SetDeleted);
  }

  static void SetGoodbye(const Session&, v1::WatchDeltasResponse* response) {
    response->set_goodbye(true);
  }
  static void SetDeleted(const Session&, v1::WatchDeltasResponse* response) {
    response->set_session_deleted(true);
  }
  static void SetResync(const Session& session,
                        v1::WatchDeltasResponse* response) {
    response->set_resync(true);
    response->set_step(session.progress().step);
  }

  void WriteLast(void (*say)(const Session&, v1::WatchDeltasResponse*)) {
    end_ = absl::OkStatus();
    v1::WatchDeltasResponse response;
    response.set_base_step(step_);
    response.set_step(step_);
    say(*session_, &response);
    Write(Serialize(response));
  }

  void Write(grpc::ByteBuffer message) {
    outgoing_ = std::move(message);
    writing_ = true;
    context_.metrics.RecordSentBytes(outgoing_.Length());
    call_.MessageSent();
    StartWrite(&outgoing_);
  }

  void End(const absl::Status& status) {
    finished_ = true;
    if (session_ != nullptr) {
      session_->feed().RemoveReader(this, DeltaFeed::Clock::now());
      session_.reset();  // it may be deleted, and its room given to others
    }
    Finish(call_.End(status));
  }

  // Constant after construction.
  ServiceContext& context_;
  OpenStreams& streams_;

  std::mutex mutex_;
  // Guarded by mutex_; session_ is constant from Enter to End.
  ServiceCall call_;
  std::shared_ptr<Session> session_;
  grpc::ByteBuffer first_;     // the first response, until it is written
  grpc::ByteBuffer outgoing_;  // of the write under way
  uint64_t place_ = 0;         // in the feed: the next piece
  uint64_t step_ = 0;          // after what was written
  bool turn_pending_ = false;
  bool writing_ = false;
  bool leaving_ = false;             // the server drains
  bool cancelled_ = false;           // the client is gone
  bool finished_ = false;            // Finish was called
  std::optional<absl::Status> end_;  // how it ends when nothing is written
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* OpenWatchStream(
    ServiceContext& context, OpenStreams& streams,
    const grpc::ByteBuffer& request) {
  const auto stream = std::make_shared<WatchStream>(context, streams);
  stream->Begin(request);
  return stream.get();
}

}  // namespace backprop
