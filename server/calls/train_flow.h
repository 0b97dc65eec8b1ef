// SPDX-License-Identifier: Apache-2.0
//
// The order of things in a Train stream: what has come and what is under way
// decide what is started next. Here is all of that and nothing else: no bytes,
// no thread, no clock, so that a test can walk through every order of events.
//
//   client → read → inbox → turn of the session's lane → outbox → write →
//   client
//
// One read, one turn and one write are under way at most. Nothing is read while
// the inbox is full, nothing trained while the outbox is, neither while the
// stream is stalled: the store is behind. The stream ends once:
// with the error that ended it, after its last answer, or when its client is
// gone; and nothing is started after that.
//
// Whoever owns the stream keeps a lock over this object and the queues
// themselves, and does the same after every event:
//
//   flow.WriteDone(ok, length);                     // what has happened
//   while (flow.Due() != TrainFlow::Answer::kNone)  // what goes to the outbox
//     … flow.HeldQueued(…) and so on, or flow.End(error) …
//   start = flow.Next(nobody_else_starts);
//   … without the lock: begin what start names; then, under it, Next again …
//
// Between two parts of a turn it leaves that to the event after, where the
// client is so far ahead that nobody misses anything meanwhile (MayWait).
#ifndef BACKPROP_SERVER_CALLS_TRAIN_FLOW_H_
#define BACKPROP_SERVER_CALLS_TRAIN_FLOW_H_

#include <cstddef>
#include <optional>

#include "absl/status/status.h"

namespace backprop {

class TrainFlow {
 public:
  // What was read.
  enum class Arrival {
    kDropped,  // the stream ends: not to be looked at
    kOpening,  // the first message: Opened or End follows at once
    kSamples,  // to be put into the inbox
  };

  // What a turn has to do.
  enum class Part {
    kNone,         // nothing: the turn is over, as the client is gone, the
                   // stream comes to its end or is stalled
    kOpening,      // answer the opening
    kNextMessage,  // take the inbox's front, and train its first part
    kSameMessage,  // train the next part of the message taken last
  };

  // What has to be put into the outbox before anything is started.
  enum class Answer {
    kNone,
    kHeld,     // the answer held back to be merged with others
    kDurable,  // that more is durable: nothing else is being said
    kGoodbye,  // the stream's last
  };

  // What to start. Either some of the first four or the end.
  struct Start {
    bool turn = false;
    bool write = false;  // of the outbox's front
    bool read = false;
    bool cancel = false;  // the call, so that what is under way ends
    // Another write will follow that one by itself, or the end will: the
    // transport may keep its bytes until then. (Where the first answer of a
    // stream to wait turns out to be the next: once that has waited.)
    bool write_follows = false;
    std::optional<absl::Status> end;

    bool Anything() const { return turn || write || read || cancel; }
  };

  // most_queued_bytes: from which length on the inbox, or the outbox, is full.
  // far_ahead: how many messages wait at least where the client is far ahead.
  explicit TrainFlow(size_t most_queued_bytes, size_t far_ahead = kFarAhead)
      : most_queued_bytes_(most_queued_bytes), far_ahead_(far_ahead) {}

  // Events. Lengths are bytes of messages on the wire.

  // The stream ends with this: at once where nothing is under way, and after
  // what is in the outbox. An error stays, whatever comes after it.
  void End(const absl::Status& status);
  // Another stream has the session: nothing is begun any more. The stream ends
  // with WRITER_REPLACED, unless its end is known already.
  void Replace();
  // After Replace: the stream has had its time to tell its client, who may read
  // nothing. No write, and no answer that waits, is waited for any longer.
  void CutOff() { cut_off_ = true; }
  // Nothing more is begun or read, but what is in the outbox written, until
  // Resume.
  void Stall() { stalled_ = true; }
  void Resume() { stalled_ = false; }
  // Whether a part that would begin now trains, and may wait for the store.
  bool MayStall() const;
  // It was, and the stream has not come to its end.
  bool IsStalled() const { return stalled_ && !finished_; }
  // The client is gone: nothing needs an answer any more.
  void Cancel() { cancelled_ = true; }
  // The server drains. unopened: what a stream ends with that has no session
  // yet; others answer what they have begun, say goodbye and end well. One that
  // is stalled too: the message that it has begun is its last.
  void Leave(const absl::Status& unopened);

  Arrival MessageRead(size_t length);
  // Whether Opened, or End in its place, is still to come after kOpening. Not
  // where the stream is at its end by now.
  bool MayOpen() const;
  // The first message is good: the stream is its session's writer from here on.
  void Opened();
  // There is nothing more to read.
  void ReadsEnded();
  void WriteDone(bool ok, size_t length);

  // Turns: a part begins, its answer is queued or held, it ends; and so on
  // while EndPart says so. front_length: of the inbox's front, if there is any.
  Part BeginPart(size_t front_length);
  // message_done: the answer was the message's last. long_enough: others are to
  // have their turn. Returns whether this turn goes on with another part.
  bool EndPart(bool message_done, bool long_enough);
  // After EndPart or FailPart: this turn goes on, and so many messages wait for
  // it that neither the client nor the session lacks anything if nothing is
  // started before another event, the end of the turn's next part at the
  // latest.
  bool MayWait() const { return client_is_far_ahead_; }
  // In place of an answer: the part failed, and the stream with it.
  void FailPart(const absl::Status& status);

  // Answers. Whether one may be held back: there is a write whose end will ask
  // for it (Due), or the turn will.
  bool MayHold() const {
    return writing_ || client_is_far_ahead_ || AnswersWait();
  }
  void AnswerHeld() { held_ = true; }
  // waits: it is not to be written, nor what comes after it, before
  // AnswersReady says so.
  void AnswerQueued(size_t length, bool waits = false);
  // The one that was held. Not called when that fails: End is, and HeldLost.
  void HeldQueued(size_t length, bool waits = false);
  void HeldLost() { held_ = false; }
  void GoodbyeQueued(size_t length);

  // So many answers, the first of the outbox, need not wait (any longer).
  void AnswersReady(size_t count) { ready_count_ = count; }
  bool AnswersWait() const {
    return !finished_ && ready_count_ < outbox_count_;
  }
  // The outbox's front has become so much longer.
  void FrontGrew(size_t bytes) { outbox_bytes_ += bytes; }

  // News of what is durable, for a stream that wants them. There may be some;
  // they were queued, or were none, as the last answer said as much. After some
  // there are no others for a while, whose end is an event too.
  void MoreIsDurable() { news_ = true; }
  void DurableQueued(size_t length);
  void NothingMoreIsDurable() { news_ = false; }
  void NewsMayFollow() { rests_ = false; }

  // Decisions.

  Answer Due() const;
  // What this says is to be started counts as under way from here on. may_end:
  // no earlier Start is still being carried out, so that nothing can come after
  // the end. Requires Due() == kNone.
  Start Next(bool may_end);
  // True once, when the next stream may have the session: then the caller lets
  // go of it. Asked after Next, before the end is carried out.
  bool LetGo();

  // Received, and not yet trained.
  size_t inbox_bytes() const { return inbox_bytes_; }
  size_t outbox_bytes() const { return outbox_bytes_; }

  friend bool operator==(const TrainFlow&, const TrainFlow&) = default;

 private:
  // kBegun: the first message has come, Opened or End has not.
  enum class Opening { kAwaited, kBegun, kUnanswered, kAnswered };

  // So many that a client which has them on their way is not held up where it
  // hears of each some parts later, or at the turn's end.
  static constexpr size_t kFarAhead = 8;

  bool IsOpen() const { return opening_ >= Opening::kUnanswered; }
  bool Full(size_t bytes) const { return bytes >= most_queued_bytes_; }
  bool HasWork() const;
  bool HasToWait() const;
  bool MayTrain() const;
  bool MayRead() const;
  bool IsDone() const;
  bool SaysGoodbye() const;
  bool SaysNothing() const;
  void EndWell();

  // Constant.
  size_t most_queued_bytes_;
  size_t far_ahead_;

  // What came.
  Opening opening_ = Opening::kAwaited;
  bool reads_ended_ = false;
  bool cancelled_ = false;
  std::optional<absl::Status> left_;  // Leave was called, with this
  std::optional<absl::Status> end_;   // how the stream will end
  bool replaced_ = false;             // and ends with that
  bool cut_off_ = false;              // CutOff was called
  bool stalled_ = false;              // Stall was, and Resume was not
  bool finished_ = false;             // the end has been started
  bool attached_ = false;             // is the session's writer

  // What is under way.
  bool reading_ = false;
  bool writing_ = false;
  bool cancelling_ = false;           // Start::cancel, for good
  bool turn_ = false;                 // submitted or running
  bool training_ = false;             // between BeginPart and EndPart
  bool client_is_far_ahead_ = false;  // as of EndPart, and turn_ went on

  // What waits.
  size_t inbox_count_ = 0;
  size_t inbox_bytes_ = 0;    // the message begun included
  bool in_message_ = false;   // it is begun and not done
  size_t message_bytes_ = 0;  // its share of inbox_bytes_
  size_t outbox_count_ = 0;
  size_t ready_count_ = 0;   // of these, the first, that need not wait
  bool has_waited_ = false;  // some answer had to wait
  size_t outbox_bytes_ = 0;  // the one that is being written included
  bool held_ = false;        // an answer is held back, behind the outbox
  bool news_ = false;        // there may be news of what is durable, ...
  bool rests_ = false;       // ... which have to wait, as there just were some
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_TRAIN_FLOW_H_
