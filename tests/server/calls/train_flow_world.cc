// SPDX-License-Identifier: Apache-2.0
#include "tests/server/calls/train_flow_world.h"

#include "absl/strings/str_cat.h"

namespace backprop::testing {
namespace {

using Part = TrainFlow::Part;

constexpr size_t kMessageLength = 100;
constexpr size_t kMessageCost = kMessageLength + 256;

}  // namespace

ModelState::ModelState(const FlowWorld& world)
    : world_(&world), flow_(world.most_queued, world.far_ahead) {
  if (world.refused) flow_.End(absl::UnavailableError("refused"));
  Settle();
}

std::string ModelState::Key() const {
  std::string key = absl::StrCat(
      sent_, " ", received_, " ", begun_, " ", done_, " ", part_, " ",
      static_cast<int>(running_), " ", reads_over_, reading_, writing_, turn_,
      gone_, cancel_told_, drained_, bidden_, failed_, short_, opened_, let_go_,
      write_follows_, kept_, taken_, told_, stuck_, cut_off_, durable_, said_,
      rests_, behind_, fell_, stalled_, " ", answers_.Key(), " ",
      ended_ ? ended_->ToString() : "-");
  for (const Starter& starter : starters_) {
    absl::StrAppend(&key, " s", starter.turn, starter.write, starter.read,
                    starter.cancel);
  }
  return key;
}

void ModelState::Expect(bool holds, const char* what) {
  if (!holds && broken_.empty()) broken_ = what;
}

std::vector<ModelState::Event> ModelState::Due() const {
  std::vector<Event> events;
  for (size_t i = 0; i < starters_.size(); ++i) {
    events.emplace_back("start", [i](ModelState& s) { s.Carry(i); });
  }
  if (reading_) events.emplace_back("read", [](ModelState& s) { s.Read(); });
  if (writing_ && (!stuck_ || gone_)) {
    events.emplace_back("write", [](ModelState& s) { s.Write(true); });
  }
  if (writing_ && gone_) {
    events.emplace_back("write fails", [](ModelState& s) { s.Write(false); });
  }
  if (turn_ && running_ == Part::kNone) {
    events.emplace_back("part", [](ModelState& s) { s.BeginPart(); });
  }
  if (running_ != Part::kNone) AddPartEnds(&events);
  if (gone_ && !cancel_told_) {
    events.emplace_back("cancel", [](ModelState& s) { s.ToldOfCancel(); });
  }
  if (taken_ && !told_) {
    events.emplace_back("told", [](ModelState& s) { s.HearOfReplacement(); });
  }
  if (answers_.waits(durable_) && !ended_) {
    events.emplace_back("commit", [](ModelState& s) { s.Commit(); });
  }
  if (rests_ && !ended_) {
    events.emplace_back("rested", [](ModelState& s) { s.NewsMayFollow(); });
  }
  if (stalled_ && !drained_ && !ended_) {
    events.emplace_back("follows", [](ModelState& s) { s.Follow(); });
  }
  if (told_ && !cut_off_) {
    events.emplace_back("cut off", [](ModelState& s) { s.CutOff(); });
  }
  return events;
}

std::vector<ModelState::Event> ModelState::Possible() const {
  std::vector<Event> events;
  if (world_->client_may_go && !gone_) {
    events.emplace_back("client goes", [](ModelState& s) { s.gone_ = true; });
  }
  if (world_->may_drain && !drained_) {
    events.emplace_back("drain", [](ModelState& s) { s.Drain(); });
  }
  if (world_->may_be_replaced && opened_ && !let_go_ && !taken_) {
    events.emplace_back("taken over", [](ModelState& s) { s.taken_ = true; });
  }
  if (durable_ < world_->commits && opened_ && !ended_) {
    events.emplace_back("commit", [](ModelState& s) { s.Commit(); });
  }
  // A drain doesn't wait for it.
  if (stalled_ && drained_ && !ended_) {
    events.emplace_back("follows", [](ModelState& s) { s.Follow(); });
  }
  if (world_->may_stall && !fell_) {
    events.emplace_back("behind",
                        [](ModelState& s) { s.behind_ = s.fell_ = true; });
  }
  if (taken_ && !stuck_) {
    events.emplace_back("stuck", [](ModelState& s) { s.stuck_ = true; });
  }
  if (world_->failures && !failed_ && !short_) {
    events.emplace_back("no memory", [](ModelState& s) { s.short_ = true; });
  }
  return events;
}

void ModelState::AddPartEnds(std::vector<Event>* events) const {
  const bool whole = running_ == Part::kOpening || part_ == world_->parts;
  for (const bool done : {true, false}) {
    if (!done && whole) continue;
    for (const bool late : {true, false}) {
      for (const bool merges : {true, false}) {
        if (!merges && !answers_.held()) continue;
        events->emplace_back(
            absl::StrCat("part ends", done ? ", done" : "",
                         late ? ", late" : "", merges ? "" : ", unmerged"),
            [=](ModelState& s) { s.EndPart(done, late, merges); });
      }
    }
  }
  if (world_->failures && !failed_) {
    events->emplace_back("part fails", [](ModelState& s) { s.FailPart(); });
  }
}

void ModelState::Settle() {
  while (flow_.Due() != TrainFlow::Answer::kNone && broken_.empty()) {
    QueueDue();
  }
  const TrainFlow::Start start = flow_.Next(starters_.empty());
  if (ended_) Expect(!start.Anything() && !start.end, "life after the end");
  Begin(start);
  if (flow_.LetGo()) LetGo();
  if (start.end) End(*start.end);
  CheckQueues();
}

void ModelState::QueueDue() {
  if (flow_.Due() == TrainFlow::Answer::kDurable) return QueueNews();
  if (flow_.Due() == TrainFlow::Answer::kGoodbye) {
    Expect(drained_ && opened_ && done_ == begun_ && !answers_.held(),
           "goodbye before its time");
    Expect(!failed_ && !bidden_, "goodbye after the end");
    bidden_ = true;
    if (short_) return FailForMemory();
    answers_.QueueGoodbye();
    return flow_.GoodbyeQueued(kGoodbyeLength);
  }
  Expect(answers_.held(), "what is due is not there");
  if (!answers_.held()) return flow_.HeldLost();
  if (short_) return FailForMemory();
  QueueHeld();
}

void ModelState::QueueHeld() {
  const bool waits = answers_.held_waits();
  answers_.QueueHeld();
  flow_.HeldQueued(kAnswerLength, waits);
  flow_.AnswersReady(answers_.Ready(durable_));
}

void ModelState::Begin(const TrainFlow::Start& start) {
  if (start.write) {
    Expect(!answers_.writing(), "two writes");
    Expect(answers_.queued(), "a write of nothing");
    if (answers_.queued()) answers_.BeginWrite();
    write_follows_ = start.write_follows;
  }
  if (start.read) Expect(!reads_over_, "a read after the last");
  Expect(!stalled_ || drained_ || answers_.made() == 0 ||
             (!start.read && !start.turn),
         "goes on while the store is behind");
  if (start.cancel) Expect(told_ && cut_off_, "cut off before its time");
  if (start.Anything()) {
    starters_.push_back({start.turn, start.write, start.read, start.cancel});
  }
  int reads = reading_, turns = turn_;
  for (const Starter& starter : starters_) {
    reads += starter.read;
    turns += starter.turn;
  }
  Expect(reads <= 1, "two reads");
  Expect(turns <= 1, "two turns");
}

void ModelState::LetGo() {
  Expect(opened_ && !let_go_, "let go of what it doesn't have");
  Expect(running_ == Part::kNone, "let go while it trains");
  let_go_ = true;
}

void ModelState::End(const absl::Status& status) {
  ended_ = status;
  kept_ = false;  // the end takes it along
  Expect(starters_.empty(), "the end while others start something");
  Expect(!turn_ && !answers_.writing(), "the end while something is under way");
  if (status.code() == absl::StatusCode::kCancelled) {
    return Expect(gone_, "cancelled by nobody");
  }
  if (status.code() == absl::StatusCode::kAborted) {
    Expect(taken_, "replaced by nobody");
    if (gone_) return;
  }
  Expect(!answers_.queued() && !answers_.held(), "answers are left");
  Expect(answers_.all_written(), "answers were not written");
  Expect(!failed_ || !status.ok(), "a failure was forgotten");
  if (status.ok()) return CheckWellEnded();
  Expect(failed_ || world_->refused || !opened_ || taken_,
         "an error of no one");
}

void ModelState::CheckWellEnded() {
  Expect(opened_ && done_ == begun_, "not all that was begun was answered");
  if (answers_.goodbye_written()) return;
  Expect(done_ == world_->messages, drained_
                                        ? "left without a goodbye"
                                        : "not all that was sent was answered");
}

void ModelState::CheckQueues() {
  Expect(flow_.outbox_bytes() == answers_.bytes(),
         "the outbox's bytes are wrong");
  const auto waiting = static_cast<size_t>(received_ - done_);
  Expect(flow_.inbox_bytes() == (ended_ ? 0 : waiting * kMessageCost),
         "the inbox's bytes are wrong");
  Expect(flow_.inbox_bytes() < world_->most_queued + kMessageCost,
         "the inbox is too full");
  // An answer that can't be merged sends the one held back as well.
  const size_t answers = world_->coalesce ? 2 : 1;
  Expect(flow_.outbox_bytes() < world_->most_queued + answers * kAnswerLength +
                                    kGoodbyeLength + kNewsLength,
         "the outbox is too full");
  CheckKept();
  CheckNews();
}

// Who is said nothing else hears of every commit.
void ModelState::CheckNews() {
  const bool open = opened_ && answers_.made() > 0 && !ended_ && !gone_ &&
                    !drained_ && !taken_ && !failed_ && !reads_over_;
  const bool busy = turn_ || answers_.writing() || answers_.queued() ||
                    answers_.held() || received_ > done_;
  Expect(world_->commits == 0 || !open || busy || rests_ || said_ == durable_,
         "news are kept back");
}

// What the transport keeps is sent on with what follows, which has to come by
// itself: the client may send nothing before it has its answer.
void ModelState::CheckKept() {
  bool follows = answers_.writing() || turn_ || failed_ || gone_ || taken_ ||
                 answers_.waits(durable_);
  for (const Starter& starter : starters_) follows |= starter.turn;
  Expect(!kept_ || follows, "an answer is kept, and nothing follows it");
}

void ModelState::CheckEnd() {
  Expect(ended_.has_value(), "the stream never ends");
  Expect(!opened_ || let_go_, "the session is never let go");
}

void ModelState::Carry(size_t index) {
  Starter& starter = starters_[index];
  Expect(!ended_, "started after the end");
  if (std::exchange(starter.turn, false)) {
    turn_ = true;
  } else if (std::exchange(starter.write, false)) {
    writing_ = true;
  } else if (std::exchange(starter.read, false)) {
    reading_ = true;
  } else if (std::exchange(starter.cancel, false)) {
    gone_ = true;
  } else {
    starters_.erase(starters_.begin() + static_cast<std::ptrdiff_t>(index));
    Settle();
  }
}

void ModelState::Read() {
  reading_ = false;
  if (gone_ || sent_ > world_->messages) {
    reads_over_ = true;
    flow_.ReadsEnded();
    if (gone_) flow_.Cancel();
  } else {
    Receive();
  }
  Settle();
}

void ModelState::Receive() {
  ++sent_;
  switch (flow_.MessageRead(kMessageLength)) {
    case TrainFlow::Arrival::kDropped:
      break;
    case TrainFlow::Arrival::kOpening:
      Expect(sent_ == 1, "a second opening");
      opened_ = !world_->bad_opening;
      opened_ ? flow_.Opened() : flow_.End(absl::NotFoundError("session"));
      break;
    case TrainFlow::Arrival::kSamples:
      Expect(opened_, "samples before the opening");
      ++received_;
      break;
  }
}

void ModelState::Write(bool ok) {
  writing_ = false;
  kept_ = ok && write_follows_;
  bool in_order = false;
  const AnswerRange range = answers_.EndWrite(&in_order);
  Expect(in_order, "answers out of order");
  Expect(range.until <= durable_, "an answer before it is durable");
  flow_.WriteDone(ok, range.length());
  Settle();
}

void ModelState::BeginPart() {
  if (taken_) flow_.Replace();
  if (behind_ && flow_.MayStall()) {
    Expect(answers_.made() > 0, "the opening waits for the store");
    stalled_ = true;
    flow_.Stall();
  }
  running_ = flow_.BeginPart(kMessageLength);
  Expect(!stalled_ || drained_ || running_ == Part::kNone ||
             running_ == Part::kOpening,
         "trains while the store is behind");
  if (let_go_ || taken_)
    Expect(running_ == Part::kNone, "trains another's session");
  switch (running_) {
    case Part::kNone:
      turn_ = false;
      Expect(gone_ || failed_ || taken_ || stalled_, "a turn for nothing");
      break;
    case Part::kOpening:
      Expect(answers_.made() == 0, "the opening is answered twice");
      break;
    case Part::kNextMessage:
      Expect(done_ == begun_, "begun before the last was done");
      Expect(begun_ < received_, "begun before it came");
      ++begun_;
      part_ = 1;
      break;
    case Part::kSameMessage:
      Expect(done_ < begun_, "goes on with what is done");
      ++part_;
      break;
  }
  if (running_ == Part::kNone) Settle();  // as the stream does
}

void ModelState::EndPart(bool message_done, bool late, bool merges) {
  if (running_ != Part::kOpening && message_done) ++done_;
  running_ = Part::kNone;
  said_ = durable_;
  QueueOrHold(merges, world_->when_durable && message_done && begun_ > 0
                          ? durable_ + 1
                          : 0);
  turn_ = flow_.EndPart(message_done, late);
  Expect(!turn_ || !late, "a turn longer than it may be");
  if (turn_) BeginPart();  // under the same lock
  SettleOrWait();
}

void ModelState::SettleOrWait() {
  if (!flow_.MayWait()) return Settle();
  Expect(running_ != Part::kNone, "waits, and nothing is to come");
  CheckQueues();
}

void ModelState::QueueOrHold(bool merges, int until) {
  if (short_) return FailForMemory();
  if (!world_->coalesce || !flow_.MayHold()) {
    // Where the client is gone nobody sees in which order.
    Expect(gone_ || !answers_.held(), "an answer overtakes the one held back");
    answers_.Queue(until);
    return flow_.AnswerQueued(kAnswerLength, until != 0);
  }
  if (answers_.held() && merges && (answers_.held_waits() || until == 0)) {
    return answers_.Merge(until);
  }
  if (answers_.held()) QueueHeld();
  answers_.Hold(until);
  flow_.AnswerHeld();
}

// The answer that was to be made, merged or queued is lost, and with it what
// was held back: half of it may have been merged.
void ModelState::FailForMemory() {
  short_ = false;
  failed_ = true;
  if (answers_.held()) {
    answers_.LoseHeld();
    flow_.HeldLost();
  }
  flow_.End(absl::ResourceExhaustedError("memory"));
}

void ModelState::FailPart() {
  failed_ = true;
  running_ = Part::kNone;
  turn_ = false;
  flow_.FailPart(absl::ResourceExhaustedError("memory"));
  SettleOrWait();
}

void ModelState::ToldOfCancel() {
  cancel_told_ = true;
  flow_.Cancel();
  Settle();
}

void ModelState::Drain() {
  drained_ = true;
  flow_.Leave(absl::UnavailableError("drains"));
  Settle();
}

void ModelState::HearOfReplacement() {
  told_ = true;
  flow_.Replace();
  Settle();
}

void ModelState::Commit() {
  ++durable_;
  if (world_->commits > 0) flow_.MoreIsDurable();
  if (flow_.AnswersWait()) flow_.AnswersReady(answers_.Ready(durable_));
  Settle();
}

void ModelState::QueueNews() {
  Expect(opened_ && answers_.made() > 0 && !rests_, "news before their time");
  Expect(!turn_ && !answers_.writing() && !answers_.queued() &&
             !answers_.held() && !bidden_,
         "news where something else is said");
  if (said_ == durable_) return flow_.NothingMoreIsDurable();
  said_ = durable_;
  rests_ = true;
  if (short_) return FailForMemory();
  answers_.QueueNews();
  flow_.DurableQueued(kNewsLength);
}

void ModelState::NewsMayFollow() {
  rests_ = false;
  flow_.NewsMayFollow();
  Settle();
}

void ModelState::Follow() {
  behind_ = stalled_ = false;
  flow_.Resume();
  Settle();
}

void ModelState::CutOff() {
  cut_off_ = true;
  flow_.CutOff();
  Settle();
}

}  // namespace backprop::testing
