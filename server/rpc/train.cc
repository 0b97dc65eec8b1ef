// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/train.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/residency.h"
#include "server/calls/train_flow.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/response_outbox.h"
#include "server/rpc/service_call.h"
#include "server/rpc/session_writer.h"
#include "server/rpc/stream_shell.h"
#include "server/rpc/timer.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/writer.h"

namespace backprop {
namespace {

// Long enough that handing over costs nothing beside it, short enough that
// others don't wait long for theirs.
constexpr std::chrono::milliseconds kLongestTurn{2};

// Empty where the message is none that can open a stream.
std::string SessionOfOpening(grpc::ByteBuffer first) {
  v1::TrainRequest request;
  if (!ParseSmall(&first, &request).ok()) return {};
  return request.session_id();
}

// So long the client of a stream whose place was taken may take to read what
// was answered and the end. Most likely there is none.
constexpr std::chrono::milliseconds kReplacedPatience{5000};

// A stream that waits for the store looks again after so long.
constexpr std::chrono::milliseconds kStoreInterval{250};

// From one piece of news of what is durable to the next, at least.
constexpr std::chrono::milliseconds kNewsInterval{20};

using TrainReactor =
    grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// Moves bytes between gRPC, the queues and the session's turns, in the order
// that its flow says; parsing and training happen in the turn.
class TrainStream final : public StreamShell<TrainReactor, TrainFlow::Start>,
                          public Writer {
 public:
  TrainStream(ServiceContext& context, OpenStreams& streams,
              grpc::CallbackServerContext* rpc)
      : StreamShell(streams),
        context_(context),
        rpc_(rpc),
        call_(context, Metrics::RpcType::kBidiStream, "Train") {
    context_.metrics.AddTrainStreams(1);
  }

  void Begin() {
    Open();
    Update([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      EndUnlessOk(Admit(context_));
    });
  }

  void OnReadDone(bool ok) noexcept override {
    Update([this, ok]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (ok) return Receive();
      flow_.ReadsEnded();
      // A read that fails may come before OnCancel.
      if (rpc_->IsCancelled()) flow_.Cancel();
    });
  }

  void OnWriteDone(bool ok) noexcept override {
    Update([this, ok]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      flow_.WriteDone(ok, outgoing_.Length());
      outgoing_.Clear();
    });
  }

 private:
  void Leave() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    flow_.Leave(Admit(context_));
  }

  void Cancel() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    flow_.Cancel();
  }

  // Here and not in the destructor, which may be later than the server's: a
  // timer that is just due holds the stream too.
  void Close() override {
    context_.metrics.AddTrainStreams(-1);
    context_.housekeeping.SomethingFreed();
  }

  void HearOfReplacement() override {
    Update([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      flow_.Replace();
      // The session tells only its writer of commits.
      ReleaseDurable();
      if (flow_.AnswersWait()) HurryCommit();
      CallLater(&patience_, kReplacedPatience,
                [](TrainFlow& flow) { flow.CutOff(); });
    });
  }

  // The committer has more to do: a turn of no session tells the stream.
  void HearOfDurable() override {
    if (!listens_ || heard_.exchange(true)) return;
    const absl::Status status = CatchOutOfMemory([this] {
      context_.pool.Submit([this, self = shared_from_this()](Worker&) {
        heard_ = false;
        Update([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          if (writer_.tells_durable()) flow_.MoreIsDurable();
          if (!flow_.AnswersWait()) return;
          ReleaseDurable();
          if (!flow_.AnswersWait()) return;
          // They would wait for ever.
          if (writer_.is_lost()) return flow_.CutOff();
          // A commit that failed forgets who waited for it.
          HurryCommit();
        });
      });
      return absl::OkStatus();
    });
    if (!status.ok()) heard_ = false;  // the next commit tells of this one too
  }

  // Hears of it when that has worked, or failed. Without memory the commit
  // comes in its time.
  void HurryCommit() {
    CatchOutOfMemory([this] {
      writer_.HurryCommit([weak = weak_from_this(), this] {
        if (const auto self = weak.lock()) HearOfDurable();
      });
    }).IgnoreError();
  }

  // Tells the flow of it after a while, if the stream is still there.
  void CallLater(Timer* timer, std::chrono::milliseconds delay,
                 void (*event)(TrainFlow&))
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    timer->Set(delay, [weak = weak_from_this(), this, event] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      Update([this, event]()
                 ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { event(flow_); });
    });
  }

  TrainFlow::Start Next(bool may_end) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (flow_.Due() != TrainFlow::Answer::kNone) EndUnlessOk(SendDue());
    TrainFlow::Start start = flow_.Next(may_end);
    CountQueued();
    if (start.write) {
      if (outbox_.FrontIsOld()) Renew();
      outgoing_ = outbox_.TakeFront();
      call_.MessageSent();
    }
    // Before the client can see the end, so that it may open the next stream at
    // once.
    if (flow_.LetGo()) writer_.LetGo(*this);
    if (start.end) {
      inbox_.clear();
      writer_.Close();
    }
    return start;
  }

  void Perform(const TrainFlow::Start& start) override {
    if (start.turn) {
      context_.pool.Submit(writer_.lane(),
                           [this, self = shared_from_this()](Worker& worker) {
                             TakeTurn(worker);
                           });
    }
    if (start.write) {
      // What gRPC keeps for the next write costs no system call of its own,
      // nor does its reader wake up for it.
      grpc::WriteOptions options;
      if (start.write_follows) options.set_buffer_hint();
      StartWrite(&outgoing_, options);
    }
    if (start.read) StartRead(&incoming_);
    if (start.cancel) rpc_->TryCancel();
    if (start.end) Finish(call_.End(*start.end));
  }

  void EndUnlessOk(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!status.ok()) flow_.End(status);
  }

  absl::Status SendDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    switch (flow_.Due()) {
      case TrainFlow::Answer::kHeld:
        return SendHeld();
      case TrainFlow::Answer::kDurable:
        return SendDurable();
      default:
        return outbox_.SendGoodbye(writer_.Goodbye());
    }
  }

  absl::Status SendHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    absl::Status status = outbox_.SendHeld();
    ReleaseDurable();
    return status;
  }

  void ReleaseDurable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (flow_.AnswersWait()) outbox_.Release(writer_.durable());
  }

  void Renew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Progress durable = writer_.durable();
    outbox_.Renew(durable);
    last_.set_durable_step(durable.step);
    last_.set_durable_offset(durable.next_offset);
  }

  absl::Status SendDurable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto news = writer_.News(last_);
    if (!news.has_value()) {
      flow_.NothingMoreIsDurable();
      return absl::OkStatus();
    }
    Note(*news);
    CallLater(&rest_, kNewsInterval,
              [](TrainFlow& flow) { flow.NewsMayFollow(); });
    return outbox_.SendDurable(*news);
  }

  // The response is on its way, by itself or merged.
  void Note(const v1::TrainResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!writer_.tells_durable()) return;
    last_.set_message_number(response.message_number());
    last_.set_step(response.step());
    last_.set_next_offset(response.next_offset());
    last_.set_epoch(response.epoch());
    last_.set_durable_step(response.durable_step());
    last_.set_durable_offset(response.durable_offset());
  }

  void CountQueued() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t bytes = flow_.inbox_bytes();
    if (bytes == counted_bytes_) return;
    context_.metrics.AddQueuedBytes(static_cast<int64_t>(bytes) -
                                    static_cast<int64_t>(counted_bytes_));
    counted_bytes_ = bytes;
  }

  void Receive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto arrival = flow_.MessageRead(incoming_.Length());
    if (arrival != TrainFlow::Arrival::kDropped) {
      call_.MessageReceived();
      context_.metrics.RecordReceivedBytes(incoming_.Length());
    }
    if (arrival == TrainFlow::Arrival::kOpening) ReceiveOpening();
    if (arrival == TrainFlow::Arrival::kSamples) {
      inbox_.push_back(std::move(incoming_));
    }
    incoming_.Clear();
  }

  // Where the session is in the store alone, the stream waits for it.
  void ReceiveOpening() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string id = SessionOfOpening(incoming_);
    const Residency found = LookFor(context_, id);
    if (!found.in_store) return OpenWriter(&incoming_);
    EndUnlessOk(CatchOutOfMemory([&] {
      BringIntoMemory(
          context_, id,
          [this, self = shared_from_this(), first = incoming_](auto session) {
            Update([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
              if (!flow_.MayOpen()) return;
              if (!session.ok()) return flow_.End(session.status());
              grpc::ByteBuffer message = first;
              OpenWriter(&message);
            });
          });
    }));
  }

  void OpenWriter(grpc::ByteBuffer* first)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Status opened = writer_.Open(
        first, std::static_pointer_cast<TrainStream>(shared_from_this()));
    opened.ok() ? flow_.Opened() : flow_.End(opened);
    listens_ = writer_.tells_durable();
  }

  // A turn of the session's lane, on a pool thread. Goes on with messages that
  // have come meanwhile, as long as a turn may last.
  void TakeTurn(Worker& worker) {
    const auto until = std::chrono::steady_clock::now() + kLongestTurn;
    grpc::ByteBuffer message;
    auto part = TrainFlow::Part::kNone;
    {
      MutexLock lock(mutex_);
      part = BeginPart(&message);
    }
    if (part == TrainFlow::Part::kNone) return Update([] {});
    while (part != TrainFlow::Part::kNone) {
      part = TakePart(part, &message, worker, until);
    }
  }

  // The part begun, whose message is in *message if that is new. Begins the
  // turn's next part in the same way; returns kNone when the turn is over,
  // which is known then.
  TrainFlow::Part TakePart(TrainFlow::Part part, grpc::ByteBuffer* message,
                           Worker& worker,
                           std::chrono::steady_clock::time_point until) {
    // Of the pool's thread and used within this call only: a member would leave
    // each idle stream its last answer's buffer, a local would be allocated
    // anew for each part. Worker, where threads keep such things, knows no
    // message.
    thread_local v1::TrainResponse response;
    response.Clear();
    std::optional<grpc::ByteBuffer> answer;
    std::optional<Progress> to_be_durable;
    // Where memory is short, what was applied is counted: the client goes on
    // from next_offset.
    const absl::Status status = CatchOutOfMemory([&] {
      absl::Status done = writer_.Answer(part, message, worker, &response);
      if (!done.ok()) return done;
      answer = writer_.TakeBytes(response);
      if (response.message_done()) to_be_durable = writer_.EndMessage();
      return done;
    });
    const bool message_done = response.message_done();
    const bool late = std::chrono::steady_clock::now() >= until;
    auto next = TrainFlow::Part::kNone;
    {
      MutexLock lock(mutex_);
      if (!status.ok()) {
        flow_.FailPart(status);
      } else {
        QueueAnswer(std::move(answer), to_be_durable, &response);
        if (flow_.EndPart(message_done, late)) next = BeginPart(message);
      }
      if (flow_.MayWait()) return next;
    }
    Update([] {});
    return next;
  }

  // answer: the response as it is sent, unless the stream coalesces. until: how
  // far the session has to be durable first.
  void QueueAnswer(std::optional<grpc::ByteBuffer> answer,
                   std::optional<Progress> until, v1::TrainResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Note(*response);
    if (until.has_value()) listens_ = true;
    if (answer) {
      outbox_.Send(*std::move(answer), until);
    } else {
      EndUnlessOk(outbox_.SendOrHold(writer_.scalar_count(), response, until));
    }
    // After listens_: a commit from here on is heard of, one before is seen.
    ReleaseDurable();
    if (!until.has_value()) return;
    if (flow_.AnswersWait() || outbox_.HoldsOneToWait()) HurryCommit();
  }

  // message: becomes the one to begin, if that is what the part does.
  TrainFlow::Part BeginPart(grpc::ByteBuffer* message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (is_replaced()) flow_.Replace();
    if (flow_.MayStall() && !writer_.MayTrain()) AwaitStore();
    const TrainFlow::Part part =
        flow_.BeginPart(inbox_.empty() ? 0 : inbox_.front().Length());
    if (part == TrainFlow::Part::kNextMessage) {
      message->Swap(&inbox_.front());
      inbox_.pop_front();
    }
    return part;
  }

  // Nothing is trained until the store is well again. Without memory to wait
  // for that, it is.
  void AwaitStore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Status waits =
        CatchOutOfMemory([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          store_.Set(kStoreInterval, [weak = weak_from_this(), this] {
            const auto self = weak.lock();
            if (self == nullptr) return;
            Update([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
              LookForRoom();
            });
          });
        });
    waits.ok() ? flow_.Stall() : flow_.Resume();
  }

  void LookForRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // After its end the session may be gone, and the server.
    if (!flow_.IsStalled()) return;
    writer_.MayTrain() ? flow_.Resume() : AwaitStore();
  }

  // Constant after construction.
  ServiceContext& context_;
  grpc::CallbackServerContext* const rpc_;

  // Opened under the lock, before the first turn.
  SessionWriter writer_{context_};

  // Owned by the read, and the write, under way.
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;

  ServiceCall call_;
  TrainFlow flow_ ABSL_GUARDED_BY(mutex_){context_.options.max_queued_bytes};
  std::deque<grpc::ByteBuffer> inbox_ ABSL_GUARDED_BY(mutex_);
  ResponseOutbox outbox_ ABSL_GUARDED_BY(mutex_){flow_, context_.metrics};
  size_t counted_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // in queued_bytes
  Timer patience_ ABSL_GUARDED_BY(mutex_);            // of one replaced
  v1::TrainResponse last_ ABSL_GUARDED_BY(mutex_);    // what Note keeps of it
  Timer rest_ ABSL_GUARDED_BY(mutex_);                // after news
  Timer store_ ABSL_GUARDED_BY(mutex_);               // while it waits for that

  // Any thread's: whether what is durable matters to the stream, and whether a
  // turn is to tell it.
  std::atomic<bool> listens_ = false;
  std::atomic<bool> heard_ = false;
};

}  // namespace

TrainReactor* OpenTrain(ServiceContext& context, OpenStreams& streams,
                        grpc::CallbackServerContext* rpc) {
  const auto stream = std::make_shared<TrainStream>(context, streams, rpc);
  stream->Begin();
  return stream.get();
}

}  // namespace backprop
