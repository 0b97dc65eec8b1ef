// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/train.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/response_merge.h"
#include "server/calls/train.h"
#include "server/rpc/byte_buffer.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"

namespace backprop {
namespace {

// Long enough that handing over costs nothing beside it, short enough that
// others don't wait long for theirs.
constexpr std::chrono::milliseconds kLongestTurn{2};

// What a message costs while it waits, however short it is.
constexpr size_t kQueuedMessageBytes = 256;

size_t QueuedBytes(const grpc::ByteBuffer& message) {
  return message.Length() + kQueuedMessageBytes;
}

}  // namespace

// Messages go reader → inbox_ → turn of the session's lane → outbox_ → writer.
// One read, one turn and one write are under way at any time. Reactions only
// move data; parsing and training happen in the turn. Whatever changes state
// calls Proceed, which starts what can be started and ends the stream when
// nothing is left to do.
class TrainReactor final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public OpenStream,
      public std::enable_shared_from_this<TrainReactor> {
 public:
  TrainReactor(ServiceContext& context, OpenStreams& streams,
               grpc::CallbackServerContext* rpc)
      : context_(context),
        streams_(streams),
        rpc_(rpc),
        call_(context, Metrics::RpcType::kBidiStream, "Train") {
    context_.metrics.AddTrainStreams(1);
  }

  ~TrainReactor() override { context_.metrics.AddTrainStreams(-1); }

  void Begin() {
    streams_.Add(shared_from_this());
    Update([this] { end_ = MaybeEnd(Admit(context_)); });
  }

  void SayGoodbye() override {
    Update([this] { leaving_ = true; });
  }

  void OnReadDone(bool ok) noexcept override {
    Update([this, ok] {
      reading_ = false;
      if (!ok) {
        reads_done_ = true;
        // A read that fails may come before OnCancel.
        if (rpc_->IsCancelled()) cancelled_ = true;
      } else if (!end_ && !cancelled_) {
        Receive();
      }
    });
  }

  void OnWriteDone(bool ok) noexcept override {
    Update([this, ok] {
      writing_ = false;
      outbox_bytes_ -= outbox_.front().Length();
      outbox_.pop_front();
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
  // What Proceed decided to start. Each takes microseconds, some a system call,
  // so it is done when the lock has been released; what is under way says that
  // nobody else starts the same.
  struct Start {
    std::shared_ptr<Lane> turn_of;      // null: no turn
    grpc::ByteBuffer* write = nullptr;  // null: no write
    bool read = false;
    std::optional<grpc::Status> end;

    bool Anything() const { return turn_of != nullptr || write || read; }
  };

  // Changes state under the lock, then goes on. Keeps *this alive, as Finish
  // may let OnDone drop the last other reference.
  template <typename Change>
  void Update(Change change) {
    const auto self = shared_from_this();
    Start start;
    {
      std::lock_guard lock(mutex_);
      change();
      start = Proceed();
    }
    Perform(start);
  }

  void Perform(const Start& start) {
    if (start.turn_of != nullptr) {
      context_.pool.Submit(start.turn_of,
                           [self = shared_from_this()](Worker& worker) {
                             self->TakeTurn(worker);
                           });
    }
    if (start.write != nullptr) StartWrite(start.write);
    if (start.read) StartRead(&incoming_);
    if (start.end) Finish(*start.end);
    if (!start.Anything()) return;
    if (starting_.fetch_sub(1) == 1 && end_waits_) Update([] {});
  }

  static std::optional<absl::Status> MaybeEnd(absl::Status status) {
    if (status.ok()) return std::nullopt;
    return status;
  }

  // The rest but Turn: mutex_ held.

  void Receive() {
    call_.MessageReceived();
    context_.metrics.RecordReceivedBytes(incoming_.Length());
    if (session_ == nullptr) {
      end_ = MaybeEnd(Open());
      incoming_.Clear();
      return;
    }
    const size_t bytes = QueuedBytes(incoming_);
    inbox_bytes_ += bytes;
    context_.metrics.AddQueuedBytes(static_cast<int64_t>(bytes));
    inbox_.push_back(std::move(incoming_));
    incoming_.Clear();
  }

  absl::Status Open() {
    v1::TrainRequest request;
    if (incoming_.Length() > kLongestSmallRequest) {  // samples, likely
      return InvalidField(
          "session_id",
          "the first message must set session_id, and options if any");
    }
    if (absl::Status status = Parse(&incoming_, &request); !status.ok()) {
      return status;
    }
    if (request.session_id().empty()) {
      return InvalidField("session_id", "is required in the first message");
    }
    if (!request.inputs().empty() || !request.targets().empty() ||
        request.classes_size() != 0 || request.sample_weights_size() != 0 ||
        request.has_offset() || request.want_digest()) {
      return InvalidField("inputs",
                          "samples belong into the messages after the first, "
                          "which sets session_id and options only");
    }
    auto session = context_.sessions.Find(request.session_id());
    if (!session.ok()) return session.status();
    const auto content =
        AnswerContentFromProto(request.options(), (*session)->layout());
    if (!content.ok()) return content.status();
    if (absl::Status status = (*session)->AttachWriter(); !status.ok()) {
      return status;
    }
    session_ = *std::move(session);
    attached_ = true;
    coalesce_ = request.options().coalesce();
    scalar_count_ = ScalarCount(session_->spec()->optimiser);
    trainer_.emplace(session_, *content, context_.metrics);
    return absl::OkStatus();
  }

  // What others wait for comes first.
  Start Proceed() {
    Start start;
    if (finished_) return start;
    if (cancelled_ && !training_) Detach();
    MaybeSubmitTurn(&start);
    MaybeEndWell();
    MaybeWrite(&start);
    MaybeRead(&start);
    if (start.Anything()) ++starting_;
    MaybeFinish(&start);
    return start;
  }

  // Lets the next stream have the session. A client that is gone trains no
  // more, so its place need not wait for the end of the call's last write, nor
  // for a turn that is still in the queue: that will find the stream cancelled
  // and touch nothing.
  void Detach() {
    if (attached_) session_->DetachWriter();
    attached_ = false;
  }

  void MaybeRead(Start* start) {
    if (reading_ || reads_done_ || cancelled_ || leaving_ || end_) return;
    if (inbox_bytes_ >= context_.options.max_queued_bytes) return;
    reading_ = true;
    start->read = true;
  }

  bool HasWork() const {
    if (session_ == nullptr) return false;
    return !opened_ || in_message_ || (!leaving_ && !inbox_.empty());
  }

  // Whether the turn under way may go on with what has come meanwhile.
  bool MayGoOn() const {
    return !cancelled_ && !end_ && HasWork() &&
           outbox_bytes_ < context_.options.max_queued_bytes;
  }

  void MaybeSubmitTurn(Start* start) {
    if (turn_pending_ || cancelled_ || end_ || !HasWork()) return;
    if (outbox_bytes_ >= context_.options.max_queued_bytes) return;
    turn_pending_ = true;
    start->turn_of = session_->lane();
  }

  void MaybeEndWell() {
    if (end_ || turn_pending_ || HasWork()) return;
    if (cancelled_) return;
    if (leaving_) {
      if (session_ != nullptr) {
        v1::TrainResponse goodbye;
        const Progress progress = session_->progress();
        goodbye.set_goodbye(true);
        goodbye.set_message_number(messages_);
        goodbye.set_base_step(progress.step);
        goodbye.set_step(progress.step);
        goodbye.set_next_offset(progress.next_offset);
        FlushMerged();
        if (end_) return;
        Send(Serialize(goodbye));
      }
      // Before its opening a stream has nothing to say goodbye to.
      end_ = session_ != nullptr ? absl::OkStatus() : Admit(context_);
    } else if (reads_done_) {
      end_ = session_ != nullptr
                 ? absl::OkStatus()
                 : InvalidField("session_id",
                                "the stream ended before its first message, "
                                "which must set session_id");
    }
  }

  void Send(grpc::ByteBuffer buffer) {
    outbox_bytes_ += buffer.Length();
    context_.metrics.RecordSentBytes(buffer.Length());
    outbox_.push_back(std::move(buffer));
  }

  // Sends a turn's response, or keeps it to be merged with what follows while
  // another is being sent.
  void SendOrMerge(v1::TrainResponse& response) {
    try {
      Merge(response);
    } catch (const std::bad_alloc&) {
      end_ = OutOfMemory();
    }
  }

  void Merge(v1::TrainResponse& response) {
    if (!writing_) return Send(Serialize(response));
    if (merged_ == nullptr) {
      merged_ = std::make_unique<v1::TrainResponse>();
    } else if (MergeResponse(response, scalar_count_, merged_.get())) {
      return;
    } else {
      FlushMerged();
      merged_ = std::make_unique<v1::TrainResponse>();
    }
    merged_->Swap(&response);
  }

  void FlushMerged() {
    if (merged_ == nullptr) return;
    try {
      Send(Serialize(*merged_));
    } catch (const std::bad_alloc&) {
      end_ = OutOfMemory();
    }
    merged_.reset();
  }

  void MaybeWrite(Start* start) {
    if (writing_ || cancelled_) return;
    if (outbox_.empty()) FlushMerged();
    if (outbox_.empty()) return;
    writing_ = true;
    call_.MessageSent();
    start->write = &outbox_.front();  // stays where it is
  }

  void MaybeFinish(Start* start) {
    if (turn_pending_ || writing_) return;
    if (!cancelled_ && !(end_ && outbox_.empty() && !merged_)) return;
    // In this order: whoever starts something looks at end_waits_ last.
    end_waits_ = true;
    if (starting_ != 0) return;
    finished_ = true;
    context_.metrics.AddQueuedBytes(-static_cast<int64_t>(inbox_bytes_));
    inbox_.clear();
    // Before the client can see the end, so that it may open the next stream
    // at once.
    Detach();
    trainer_.reset();
    session_.reset();
    start->end =
        call_.End(cancelled_ ? absl::CancelledError("cancelled") : *end_);
  }

  // A turn of the session's lane, on a pool thread; takes mutex_ itself. Goes
  // on with messages that have come meanwhile, as long as a turn may last.
  void TakeTurn(Worker& worker) {
    const auto until = std::chrono::steady_clock::now() + kLongestTurn;
    while (TakePart(worker, until)) {
    }
  }

  // One part of a message. False when the turn is over, which is known then.
  bool TakePart(Worker& worker, std::chrono::steady_clock::time_point until) {
    // Of the thread, not of the stream: an idle stream holds no large buffer.
    thread_local v1::TrainResponse response;
    response.Clear();
    std::optional<grpc::ByteBuffer> message;
    bool abandoned = false;
    {
      std::lock_guard lock(mutex_);
      abandoned = cancelled_;
      training_ = !abandoned;
      if (!abandoned && opened_ && !in_message_) {
        message = std::move(inbox_.front());
        inbox_.pop_front();
      }
    }
    if (abandoned) {
      Update([this] { turn_pending_ = false; });
      return false;
    }
    absl::Status status;
    std::optional<grpc::ByteBuffer> answer;
    bool done = false;
    try {
      if (message) BeginMessage(&*message);
      Answer(worker, &response);
      if (!coalesce_) answer = Serialize(response);
      done = response.message_done();
      if (done) trainer_->End();
    } catch (const std::bad_alloc&) {
      // What was applied is counted: the client goes on from next_offset.
      status = OutOfMemory();
    }
    const bool late = std::chrono::steady_clock::now() >= until;
    bool goes_on = false;
    Update([&] {
      training_ = false;
      if (status.ok()) {
        opened_ = true;
        in_message_ = !done;
        if (done) ReleaseMessage();
        if (answer) {
          Send(*std::move(answer));
        } else {
          SendOrMerge(response);
        }
      } else {
        end_ = status;
      }
      goes_on = !late && MayGoOn();
      turn_pending_ = goes_on;
    });
    return goes_on;
  }

  void Answer(Worker& worker, v1::TrainResponse* response) {
    if (opened_) {
      trainer_->Next(worker, response);
    } else {
      AnswerOpening(response);
    }
  }

  void BeginMessage(grpc::ByteBuffer* message) {
    message_bytes_ = QueuedBytes(*message);  // parsing empties it
    const absl::Status parsed = Parse(message, &trainer_->request());
    trainer_->Begin(++messages_, parsed);
  }

  void AnswerOpening(v1::TrainResponse* response) const {
    const Progress progress = session_->progress();
    response->set_message_done(true);
    response->set_base_step(progress.step);
    response->set_step(progress.step);
    response->set_next_offset(progress.next_offset);
  }

  // mutex_ held.
  void ReleaseMessage() {
    inbox_bytes_ -= message_bytes_;
    context_.metrics.AddQueuedBytes(-static_cast<int64_t>(message_bytes_));
    message_bytes_ = 0;
  }

  // Constant after construction.
  ServiceContext& context_;
  OpenStreams& streams_;
  grpc::CallbackServerContext* const rpc_;

  // Set by Open before the first turn, constant from then on until the end.
  std::shared_ptr<Session> session_;
  bool coalesce_ = false;
  size_t scalar_count_ = 0;

  // Owned by the turn.
  std::optional<MessageTrainer> trainer_;
  uint64_t messages_ = 0;     // sample messages begun; read when no turn runs
  size_t message_bytes_ = 0;  // of the message begun, part of inbox_bytes_

  std::atomic<int> starting_ = 0;        // threads that start something
  std::atomic<bool> end_waits_ = false;  // Finish waits for them

  std::mutex mutex_;
  // Guarded by mutex_.
  ServiceCall call_;
  grpc::ByteBuffer incoming_;            // of the read under way
  std::deque<grpc::ByteBuffer> inbox_;   // received, not begun
  size_t inbox_bytes_ = 0;               // inbox_ and the message begun
  std::deque<grpc::ByteBuffer> outbox_;  // its front is being written
  size_t outbox_bytes_ = 0;
  // Waits for what follows, behind outbox_; null: none.
  std::unique_ptr<v1::TrainResponse> merged_;
  bool reading_ = false;
  bool reads_done_ = false;
  bool turn_pending_ = false;  // submitted or running
  bool training_ = false;      // its turn is at a part of a message
  bool attached_ = false;      // is the session's writer
  bool opened_ = false;        // the opening has been answered
  bool in_message_ = false;    // the message begun is not done yet
  bool writing_ = false;
  bool leaving_ = false;             // the server drains
  bool cancelled_ = false;           // the client is gone
  bool finished_ = false;            // Finish was called
  std::optional<absl::Status> end_;  // how the stream will end
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* OpenTrainStream(
    ServiceContext& context, OpenStreams& streams,
    grpc::CallbackServerContext* rpc) {
  const auto stream = std::make_shared<TrainReactor>(context, streams, rpc);
  stream->Begin();
  return stream.get();
}

}  // namespace backprop
