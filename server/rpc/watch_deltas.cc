// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/watch_deltas.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/residency.h"
#include "server/calls/watch_deltas.h"
#include "server/calls/watch_flow.h"
#include "server/rpc/anchor_copy.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/service_call.h"
#include "server/rpc/stream_shell.h"
#include "server/rpc/watch_source.h"
#include "server/sessions/out_of_memory.h"

namespace backprop {
namespace {

using WatchReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;
// Shared, for turns are copyable functions.
using Pending = std::shared_ptr<PendingCall>;

// First a turn of the session's lane, which makes it a reader of the session's
// feed; then one write after the other, each begun by whoever finds that there
// is something to write: the turn, the end of the write before, or news.
//
// Where the feed doesn't hold what comes next, and the watcher takes anchors,
// one is copied; the turn that copies it moves the reader to the feed's end, so
// the deltas from exactly its step on are there when its last chunk has been
// written, or have been dropped again: then the next anchor is due. So a slow
// watcher costs a copy of the weights each time that it has read one whole.
class WatchDeltasStream final
    : public StreamShell<WatchReactor, WatchFlow::Start>,
      public DeltaReader {
 public:
  WatchDeltasStream(ServiceContext& context, OpenStreams& streams)
      : StreamShell(streams),
        context_(context),
        call_(context, Metrics::RpcType::kServerStream, "WatchDeltas") {
    context_.metrics.AddWatchStreams(1);
  }

  ~WatchDeltasStream() override { context_.metrics.AddWatchStreams(-1); }

  void Begin(grpc::ByteBuffer request) {
    Open();
    call_.MessageReceived();
    absl::Status status = Admit(context_);
    if (status.ok()) {
      status = CatchOutOfMemory([&] { return Enter(std::move(request)); });
    }
    if (!status.ok()) EndTurn(status);
  }

  void OnNews() override {
    Update([] {});
  }

  void OnWriteDone(bool ok) noexcept override {
    Update([this, ok]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      outgoing_.Clear();  // it may hold an anchor's memory
      source_.Written();
      flow_.WriteDone(ok);
    });
  }

 private:
  void Leave() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { flow_.Leave(); }

  void Cancel() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    flow_.Cancel();
  }

  void Close() override { context_.housekeeping.SomethingFreed(); }

  std::shared_ptr<WatchDeltasStream> Self() {
    return std::static_pointer_cast<WatchDeltasStream>(shared_from_this());
  }

  absl::Status Enter(grpc::ByteBuffer bytes) {
    const size_t length = bytes.Length();
    absl::Status status = ParseSmall(&bytes, &request_);
    if (!status.ok()) return status;
    auto pending = PendingCall::Enter(context_, length);
    if (!pending.ok()) return pending.status();
    Pending waits = *std::move(pending);
    const Residency found = LookFor(context_, request_.session_id());
    if (!found.in_store) return Follow(std::move(waits));
    {
      MutexLock lock(mutex_);
      flow_.TurnBegun();
    }
    BringIntoMemory(
        context_, request_.session_id(),
        [self = Self(), waits = std::move(waits)](auto session) {
          absl::Status loaded = session.status();
          if (loaded.ok()) {
            loaded = CatchOutOfMemory([&] { return self->Follow(waits); });
          }
          if (!loaded.ok()) self->EndTurn(loaded);
        });
    return absl::OkStatus();
  }

  // The session that is named, which is in memory if there is one.
  absl::Status Follow(Pending waits) {
    auto session = FindWatched(context_, request_);
    if (!session.ok()) return session.status();
    {
      MutexLock lock(mutex_);
      source_.Follow((*session)->shared_feed());
      flow_.TurnBegun();
    }
    if (request_.with_anchor() && !request_.has_after_step()) {
      return BeginAnchor(*std::move(session), std::move(waits));
    }
    const std::shared_ptr<Lane> lane = (*session)->lane();
    context_.pool.Submit(lane, [self = Self(), waits = std::move(waits),
                                of = *std::move(session)](Worker&) mutable {
      self->TakeTurn(std::move(of), std::move(waits));
    });
    return absl::OkStatus();
  }

  // A turn of the session's lane.
  void TakeTurn(std::shared_ptr<Session> session, Pending waits) {
    bool with_anchor = false;
    const absl::Status status = CatchOutOfMemory([&] {
      absl::Status begun = FindPlace(*session);
      if (begun.ok() || !request_.with_anchor()) return begun;
      begun = BeginAnchor(std::move(session), std::move(waits));
      with_anchor = begun.ok();
      return begun;
    });
    if (!with_anchor) EndTurn(status);
  }

  absl::Status FindPlace(const Session& session) {
    const auto begin = BeginWatch(request_, session, Self());
    if (!begin.ok()) return begin.status();
    grpc::ByteBuffer first = Serialize(begin->first);
    MutexLock lock(mutex_);
    source_.Begin(begin->place, begin->first.step(), std::move(first));
    return absl::OkStatus();
  }

  // Within what the flow knows as a turn; unless this fails, EndTurn ends it.
  absl::Status BeginAnchor(std::shared_ptr<Session> session, Pending waits) {
    return TakeAnchor(
        context_,
        {.session = std::move(session),
         .with_state = request_.with_state(),
         .before_copy = [self =
                             Self()](Session& of) { return self->MoveTo(of); },
         .done =
             [self = Self(),
              waits = std::move(waits)](absl::StatusOr<SharedAnchor> anchor) {
               self->EndTurn(anchor.status(), anchor.value_or(nullptr));
             }});
  }

  // A turn of the session's lane, which is at that step.
  absl::Status MoveTo(Session& session) {
    const uint64_t step = session.progress().step;
    const auto place = session.feed().AddReader(Self(), step, step);
    MutexLock lock(mutex_);
    if (flow_.cancelled()) return absl::CancelledError("cancelled");
    source_.MoveTo(*place);
    return absl::OkStatus();
  }

  // anchor: null if none was taken.
  void EndTurn(const absl::Status& status, SharedAnchor anchor = nullptr) {
    Update([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      flow_.TurnEnded(status);
      if (anchor != nullptr) source_.SendAnchor(std::move(anchor));
    });
  }

  WatchFlow::Start Next(bool may_end) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    WatchFlow::Start start;
    if (flow_.MayBegin()) Prepare(&start);
    if (!start.Anything()) start.end = flow_.TakeEnd(may_end);
    if (start.end) source_.Unfollow(this);
    return start;
  }

  void Perform(const WatchFlow::Start& start) override {
    if (start.write) StartWrite(&outgoing_);
    if (start.anchor_of != nullptr) {
      const absl::Status status = CatchOutOfMemory(
          [&] { return BeginAnchor(start.anchor_of, nullptr); });
      if (!status.ok()) EndTurn(status);
    }
    if (start.end) Finish(call_.End(*start.end));
  }

  // What comes next: something to start, the end, or neither.
  void Prepare(WatchFlow::Start* start) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!source_.follows()) return;  // Enter goes on
    if (flow_.leaving() && !source_.at_first()) {
      return WriteLast(WatchEnd::kGoodbye, start);
    }
    grpc::ByteBuffer message;
    const auto found = source_.Next(&message);
    if (!found.ok()) return flow_.End(found.status());
    switch (*found) {
      case WatchSource::Found::kMessage:
        return Write(std::move(message), start);
      case WatchSource::Found::kNothing:
        return;
      case WatchSource::Found::kBehind:
        return FallBehind(start);
      case WatchSource::Found::kClosed:
        return WriteLast(WatchEnd::kSessionDeleted, start);
    }
  }

  // What comes next can't be had as deltas.
  void FallBehind(WatchFlow::Start* start)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!request_.with_anchor()) return WriteLast(WatchEnd::kResync, start);
    auto session = context_.sessions.Find(request_.session_id());
    if (!session.ok()) return WriteLast(WatchEnd::kSessionDeleted, start);
    flow_.TurnBegun();
    start->anchor_of = *std::move(session);
  }

  void WriteLast(WatchEnd why, WatchFlow::Start* start)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const v1::WatchDeltasResponse last = source_.Last(why);
    grpc::ByteBuffer message;
    const absl::Status status =
        CatchOutOfMemory([&] { message = Serialize(last); });
    flow_.End(status);
    if (status.ok()) Write(std::move(message), start);
  }

  void Write(grpc::ByteBuffer message, WatchFlow::Start* start)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    outgoing_ = std::move(message);
    flow_.WriteBegun();
    start->write = true;
    context_.metrics.RecordSentBytes(outgoing_.Length());
    call_.MessageSent();
  }

  // Constant after construction.
  ServiceContext& context_;

  // Constant from its first turn on.
  v1::WatchDeltasRequest request_;

  // Owned by the write under way.
  grpc::ByteBuffer outgoing_;

  ServiceCall call_;
  WatchSource source_ ABSL_GUARDED_BY(mutex_){context_.watched_bytes};
  WatchFlow flow_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

WatchReactor* OpenWatchDeltas(ServiceContext& context, OpenStreams& streams,
                              const grpc::ByteBuffer& request) {
  const auto stream = std::make_shared<WatchDeltasStream>(context, streams);
  stream->Begin(request);
  return stream.get();
}

}  // namespace backprop
