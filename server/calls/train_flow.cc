// SPDX-License-Identifier: Apache-2.0
#include "server/calls/train_flow.h"

#include "server/sessions/rejection.h"

namespace backprop {
namespace {

// What a message costs while it waits, however short it is.
constexpr size_t kQueuedMessageBytes = 256;

}  // namespace

void TrainFlow::End(const absl::Status& status) {
  if (!end_ || end_->ok()) end_ = status;
}

void TrainFlow::Replace() {
  if (end_) return;
  replaced_ = true;
  End(Rejection(kWriterReplaced,
                "another Train stream has taken the session over: what was not "
                "answered here was not applied"));
}

void TrainFlow::Leave(const absl::Status& unopened) {
  if (!left_) left_ = unopened;
}

TrainFlow::Arrival TrainFlow::MessageRead(size_t length) {
  reading_ = false;
  if (end_ || cancelled_) return Arrival::kDropped;
  if (opening_ == Opening::kAwaited) {
    opening_ = Opening::kBegun;
    return Arrival::kOpening;
  }
  ++inbox_count_;
  inbox_bytes_ += length + kQueuedMessageBytes;
  return Arrival::kSamples;
}

bool TrainFlow::MayOpen() const {
  return opening_ == Opening::kBegun && !end_ && !cancelled_ && !finished_;
}

void TrainFlow::Opened() {
  opening_ = Opening::kUnanswered;
  attached_ = true;
}

void TrainFlow::ReadsEnded() {
  reading_ = false;
  reads_ended_ = true;
}

void TrainFlow::WriteDone(bool ok, size_t length) {
  writing_ = false;
  outbox_bytes_ -= length;
  if (!ok) cancelled_ = true;
}

TrainFlow::Part TrainFlow::BeginPart(size_t front_length) {
  if (cancelled_ || end_ || HasToWait()) {
    turn_ = false;
    client_is_far_ahead_ = false;
    return Part::kNone;
  }
  training_ = true;
  if (opening_ == Opening::kUnanswered) return Part::kOpening;
  if (in_message_) return Part::kSameMessage;
  in_message_ = true;
  message_bytes_ = front_length + kQueuedMessageBytes;
  --inbox_count_;
  return Part::kNextMessage;
}

bool TrainFlow::EndPart(bool message_done, bool long_enough) {
  training_ = false;
  opening_ = Opening::kAnswered;
  if (message_done) {
    in_message_ = false;
    inbox_bytes_ -= message_bytes_;
    message_bytes_ = 0;
  }
  turn_ = !long_enough && MayTrain();
  client_is_far_ahead_ = turn_ && inbox_count_ >= far_ahead_;
  return turn_;
}

void TrainFlow::FailPart(const absl::Status& status) {
  training_ = false;
  turn_ = false;
  client_is_far_ahead_ = false;
  End(status);
}

void TrainFlow::AnswerQueued(size_t length, bool waits) {
  has_waited_ |= waits;
  if (!waits && !AnswersWait()) ++ready_count_;
  ++outbox_count_;
  outbox_bytes_ += length;
}

void TrainFlow::HeldQueued(size_t length, bool waits) {
  held_ = false;
  AnswerQueued(length, waits);
}

void TrainFlow::GoodbyeQueued(size_t length) {
  AnswerQueued(length);
  End(absl::OkStatus());
}

void TrainFlow::DurableQueued(size_t length) {
  news_ = false;
  rests_ = true;
  AnswerQueued(length);
}

bool TrainFlow::HasWork() const {
  if (!IsOpen()) return false;
  return opening_ == Opening::kUnanswered || in_message_ ||
         (!left_ && inbox_count_ > 0);
}

// The opening is answered, it trains nothing.
bool TrainFlow::HasToWait() const {
  return stalled_ && !left_ && opening_ == Opening::kAnswered;
}

bool TrainFlow::MayStall() const {
  return !cancelled_ && !end_ && !left_ && opening_ == Opening::kAnswered;
}

bool TrainFlow::MayTrain() const {
  return !cancelled_ && !end_ && HasWork() && !Full(outbox_bytes_) &&
         !HasToWait();
}

bool TrainFlow::MayRead() const {
  return !reading_ && !reads_ended_ && !cancelled_ && !left_ && !end_ &&
         !Full(inbox_bytes_) && !HasToWait();
}

bool TrainFlow::SaysGoodbye() const {
  return left_ && IsOpen() && !end_ && !turn_ && !HasWork();
}

TrainFlow::Answer TrainFlow::Due() const {
  if (cancelled_ || finished_) return Answer::kNone;
  const bool goodbye = SaysGoodbye();
  if (held_ && (goodbye || (!writing_ && outbox_count_ == 0))) {
    return Answer::kHeld;
  }
  if (goodbye) return Answer::kGoodbye;
  return news_ && !rests_ && SaysNothing() ? Answer::kDurable : Answer::kNone;
}

// What a turn under way will answer says what is durable by then.
bool TrainFlow::SaysNothing() const {
  return opening_ == Opening::kAnswered && !end_ && !turn_ && !writing_ &&
         !held_ && outbox_count_ == 0;
}

// The end of what came to its end by itself, a stream left with its goodbye
// apart.
void TrainFlow::EndWell() {
  if (end_ || cancelled_ || turn_ || HasWork()) return;
  if (left_ && !IsOpen()) {
    End(*left_);  // there is nothing to say goodbye to
  } else if (opening_ == Opening::kBegun) {
    return;
  } else if (reads_ended_ && opening_ == Opening::kAwaited) {
    End(InvalidField("session_id",
                     "the stream ended before its first message, which must "
                     "set session_id"));
  } else if (reads_ended_) {
    End(absl::OkStatus());
  }
}

bool TrainFlow::IsDone() const {
  if (turn_ || writing_) return false;
  // An answer held back is not held where nothing is written (Due).
  return cancelled_ || (end_ && outbox_count_ == 0);
}

TrainFlow::Start TrainFlow::Next(bool may_end) {
  Start start;
  if (finished_) return start;
  // What others wait for comes first.
  if (!turn_ && MayTrain()) start.turn = turn_ = true;
  EndWell();
  if (!writing_ && !cancelled_ && ready_count_ > 0) {
    start.write = writing_ = true;
    --outbox_count_;
    --ready_count_;
    start.write_follows =
        ready_count_ > 0 || (client_is_far_ahead_ && !has_waited_);
  }
  if (MayRead()) start.read = reading_ = true;
  if (cut_off_ && (writing_ || AnswersWait()) && !cancelled_ && !cancelling_) {
    start.cancel = cancelling_ = true;
  }
  if (start.Anything() || !may_end || !IsDone()) return start;
  finished_ = true;
  inbox_count_ = inbox_bytes_ = 0;
  start.end =
      cancelled_ && !replaced_ ? absl::CancelledError("cancelled") : *end_;
  return start;
}

// A client that is gone trains no more: its place need not wait for the end of
// the stream's last write, nor for a turn that is still in the queue, which
// will find the stream cancelled and touch nothing.
bool TrainFlow::LetGo() {
  const bool now = attached_ && (finished_ || (cancelled_ && !training_));
  if (now) attached_ = false;
  return now;
}

}  // namespace backprop
