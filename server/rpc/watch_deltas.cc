// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/watch_deltas.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backprop/v1/training_service.pb.h"
#include "server/rpc/anchor_copy.h"
#include "server/rpc/byte_buffer.h"
#include "server/sessions/delta_feed.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/translation/input.h"

namespace backprop {
namespace {

using Message = std::shared_ptr<const std::string>;
// Shared, for turns are copyable functions.
using Pending = std::shared_ptr<PendingCall>;

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
//
// Where the feed doesn't hold what comes next, and the watcher takes anchors,
// one is copied; the turn that copies it moves the reader to the feed's end, so
// the deltas from exactly its step on are there when its last chunk has been
// written, or have been dropped again: then the next anchor is due. So a slow
// watcher costs a copy of the weights each time that it has read one whole.
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
    try {
      if (status.ok()) status = Enter(std::move(request));
    } catch (const std::bad_alloc&) {
      status = OutOfMemory();
    }
    if (status.ok()) return;
    Update([this, &status] {
      turn_pending_ = false;
      end_ = status;
    });
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
      borrowed_ = {};
      if (anchor_ != nullptr && next_number_ >= anchor_->size()) {
        anchor_.reset();
      }
      if (!ok) cancelled_ = true;
    });
  }

  void OnCancel() noexcept override {
    Update([this] { cancelled_ = true; });
  }

  void OnDone() noexcept override {
    context_.housekeeping.SomethingFreed();
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
    absl::Status status = ParseSmall(&bytes, &request);
    if (!status.ok()) return status;
    auto session = FindSession(context_, request.session_id());
    if (!session.ok()) return session.status();
    if (request.with_state() && !request.with_anchor()) {
      return InvalidField("with_state",
                          "is for anchors: set with_anchor too, or leave it");
    }
    auto pending = PendingCall::Enter(context_, length);
    if (!pending.ok()) return pending.status();
    Pending waits = *std::move(pending);
    {
      std::lock_guard lock(mutex_);
      request_ = std::move(request);
      feed_ = (*session)->shared_feed();
      turn_pending_ = true;
    }
    if (request_.with_anchor() && !request_.has_after_step()) {
      return BeginAnchor(*std::move(session), std::move(waits));
    }
    const std::shared_ptr<Lane> lane = (*session)->lane();
    context_.pool.Submit(lane,
                         [self = shared_from_this(), waits = std::move(waits),
                          of = *std::move(session)](Worker&) mutable {
                           self->Open(std::move(of), std::move(waits));
                         });
    return absl::OkStatus();
  }

  // A turn of the session's lane.
  void Open(std::shared_ptr<Session> session, Pending waits) {
    absl::Status status;
    try {
      status = TryOpen(*session);
      if (!status.ok() && request_.with_anchor()) {
        status = BeginAnchor(std::move(session), std::move(waits));
        if (status.ok()) return;
      }
    } catch (const std::bad_alloc&) {
      status = OutOfMemory();
    }
    Update([this, &status] {
      turn_pending_ = false;
      if (!status.ok()) end_ = status;
    });
  }

  // turn_pending_ has been set; unless this fails, Anchored ends it.
  absl::Status BeginAnchor(std::shared_ptr<Session> session, Pending waits) {
    return TakeAnchor(
        context_, {.session = std::move(session),
                   .with_state = request_.with_state(),
                   .before_copy =
                       [self = shared_from_this()](Session& of) {
                         return self->MoveTo(of.progress().step);
                       },
                   .done =
                       [self = shared_from_this(), waits = std::move(waits)](
                           absl::StatusOr<SharedAnchor> anchor) {
                         self->Anchored(std::move(anchor));
                       }});
  }

  // A turn of the session's lane, which is at that step.
  absl::Status MoveTo(uint64_t step) {
    const auto place = feed_->AddReader(shared_from_this(), step, step);
    std::lock_guard lock(mutex_);
    if (cancelled_) return absl::CancelledError("cancelled");
    place_ = *place;
    return absl::OkStatus();
  }

  void Anchored(absl::StatusOr<SharedAnchor> anchor) {
    Update([this, &anchor] {
      turn_pending_ = false;
      if (!anchor.ok()) {
        end_ = anchor.status();
        return;
      }
      anchor_ = *std::move(anchor);
      next_number_ = 0;
      step_ = anchor_->step();
    });
  }

  absl::Status TryOpen(const Session& session) {
    const Progress progress = session.progress();
    const uint64_t after =
        request_.has_after_step() ? request_.after_step() : progress.step;
    if (after > progress.step) {
      return Rejection(
          kStepNotReached,
          absl::StrCat("after_step is ", after, " but the session is at step ",
                       progress.step, ": watch from there or earlier"));
    }
    const auto place =
        feed_->AddReader(shared_from_this(), after, progress.step);
    if (!place.has_value()) {
      return Rejection(
          kStepNotHeld,
          absl::StrCat("deltas from step ", after,
                       " on are not held (the session is at step ",
                       progress.step, "): begin with an anchor (with_anchor)"));
    }
    v1::WatchDeltasResponse response;
    response.set_base_step(after);
    response.set_step(after);
    response.set_next_offset(progress.next_offset -
                             (progress.step - after) *
                                 session.layout().batch_size());
    const auto spec = session.spec();
    if (!spec->input.mean.empty()) {
      StandardisationToProto(*spec, response.mutable_standardisation());
    }
    grpc::ByteBuffer first = Serialize(response);
    std::lock_guard lock(mutex_);
    place_ = *place;
    step_ = after;
    first_ = std::move(first);
    return absl::OkStatus();
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
    if (feed_ == nullptr) return;  // Enter goes on
    if (leaving_) return WriteLast(&SetGoodbye);
    if (anchor_ != nullptr) return WriteChunk();
    const bool closed = feed_->closed();  // before the last piece is looked for
    const DeltaFeed::Found next = feed_->At(place_);
    if (!next.held) return FallBehind();
    if (!next.piece.has_value()) {
      if (closed) WriteLast(&SetDeleted);
      return;
    }
    const Message& message = next.piece->message;
    Budget& budget = context_.watched_bytes;
    // One that is larger than all the room goes alone.
    const size_t share = std::min(message->size(), budget.limit());
    auto room = budget.Reserve(share);
    if (!room.has_value()) return FallBehind();
    borrowed_ = *std::move(room);
    ++place_;
    step_ = next.piece->step;
    Write(Borrow(message));
  }

  // What comes next can't be had as deltas.
  void FallBehind() {
    if (!request_.with_anchor()) return WriteLast(&SetResync);
    auto session = context_.sessions.Find(request_.session_id());
    if (!session.ok()) return WriteLast(&SetDeleted);
    turn_pending_ = true;
    absl::Status status;
    try {
      status = BeginAnchor(*std::move(session), nullptr);
    } catch (const std::bad_alloc&) {
      status = OutOfMemory();
    }
    if (status.ok()) return;
    turn_pending_ = false;
    End(status);
  }

  void WriteChunk() {
    grpc::ByteBuffer chunk;
    try {
      chunk = anchor_->WatchedChunk(next_number_);
    } catch (const std::bad_alloc&) {
      return End(OutOfMemory());
    }
    next_number_ += kAnchorChunkNumbers;
    Write(std::move(chunk));
  }

  static void SetGoodbye(const DeltaFeed&, v1::WatchDeltasResponse* response) {
    response->set_goodbye(true);
  }
  static void SetDeleted(const DeltaFeed&, v1::WatchDeltasResponse* response) {
    response->set_session_deleted(true);
  }
  static void SetResync(const DeltaFeed& feed,
                        v1::WatchDeltasResponse* response) {
    response->set_resync(true);
    response->set_step(feed.present());
  }

  void WriteLast(void (*say)(const DeltaFeed&, v1::WatchDeltasResponse*)) {
    end_ = absl::OkStatus();
    v1::WatchDeltasResponse response;
    response.set_base_step(step_);
    response.set_step(step_);
    say(*feed_, &response);
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
    if (feed_ != nullptr) {
      feed_->RemoveReader(this, DeltaFeed::Clock::now());
    }
    Finish(call_.End(status));
  }

  // Constant after construction.
  ServiceContext& context_;
  OpenStreams& streams_;

  // Constant once turn_pending_ was first set.
  v1::WatchDeltasRequest request_;

  std::mutex mutex_;
  // Guarded by mutex_; feed_ is constant once it is set. Not the session: it
  // may be deleted, and its room given to others, while a watcher is slow.
  ServiceCall call_;
  std::shared_ptr<DeltaFeed> feed_;
  grpc::ByteBuffer first_;        // the first response, until it is written
  Budget::Reservation borrowed_;  // of context_.watched_bytes, by the ...
  grpc::ByteBuffer outgoing_;     // ... write under way
  SharedAnchor anchor_;           // that is being written
  size_t next_number_ = 0;        // of anchor_: the first not yet written
  uint64_t place_ = 0;            // in the feed: the next piece
  uint64_t step_ = 0;             // after what was written
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
