// SPDX-License-Identifier: Apache-2.0
//
// A Train stream's flow and the world around it, at one moment of a walk.
#ifndef BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_WORLD_H_
#define BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_WORLD_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/calls/train_flow.h"
#include "tests/server/calls/train_flow_answers.h"
#include "tests/server/calls/train_flow_model.h"

namespace backprop::testing {

class ModelState {
 public:
  // The stream has been opened. world must outlive the object.
  explicit ModelState(const FlowWorld& world);

  // A name, and what it does.
  using Event = std::pair<std::string, std::function<void(ModelState&)>>;
  // What has to happen some time, whatever else may.
  std::vector<Event> Due() const;
  // What may happen or not.
  std::vector<Event> Possible() const;

  // Nothing will happen any more.
  void CheckEnd();

  // The first promise that was broken; empty: none.
  const std::string& broken() const { return broken_; }

  // Two states are the same where both of these say so.
  std::string Key() const;
  bool SameFlow(const ModelState& other) const { return flow_ == other.flow_; }

 private:
  // A thread that begins what it was told to, in this order.
  struct Starter {
    bool turn = false;
    bool write = false;
    bool read = false;
    bool cancel = false;
  };

  void Expect(bool holds, const char* what);
  void AddPartEnds(std::vector<Event>* events) const;

  // What the shell does after each change.
  void Settle();
  // The same after a part, which may leave it to what comes next.
  void SettleOrWait();
  void QueueDue();
  void Begin(const TrainFlow::Start& start);
  void LetGo();
  void End(const absl::Status& status);
  void CheckWellEnded();
  void CheckQueues();
  void CheckKept();

  // Events.
  void Carry(size_t starter);  // begins the next thing of it
  void Read();
  void Receive();
  void Write(bool ok);
  void BeginPart();
  void EndPart(bool message_done, bool late, bool merges);
  void QueueOrHold(bool merges, int until);
  void QueueHeld();
  void FailForMemory();
  void FailPart();
  void ToldOfCancel();
  void Drain();
  void HearOfReplacement();
  void CutOff();
  void Follow();
  void Commit();
  void QueueNews();
  void NewsMayFollow();
  void CheckNews();

  const FlowWorld* world_;
  TrainFlow flow_;
  std::string broken_;

  std::vector<Starter> starters_;
  AnswersOnTheirWay answers_;
  bool write_follows_ = false;  // the transport was told with the last write
  bool kept_ = false;           // by it: what was written last
  int sent_ = 0;                // messages that the transport delivered
  int received_ = 0;            // with samples, into the inbox
  int begun_ = 0;
  int done_ = 0;
  int part_ = 0;  // of the message begun
  TrainFlow::Part running_ = TrainFlow::Part::kNone;
  bool turn_ = false;     // begun
  bool reading_ = false;  // begun
  bool writing_ = false;  // begun
  bool reads_over_ = false;
  bool gone_ = false;         // the client
  bool cancel_told_ = false;  // OnCancel
  bool drained_ = false;
  bool bidden_ = false;  // goodbye
  bool failed_ = false;
  bool short_ = false;  // of memory: the next answer finds none
  bool opened_ = false;
  bool let_go_ = false;
  int durable_ = 0;       // commits so far, ...
  int said_ = 0;          // ... of which the last answer or news knew
  bool rests_ = false;    // after news
  bool taken_ = false;    // another stream has the session, ...
  bool told_ = false;     // ... and this one has heard of it
  bool stuck_ = false;    // the client reads no more, and doesn't go
  bool cut_off_ = false;  // the stream has waited long enough for it
  bool behind_ = false;   // the store is, ...
  bool fell_ = false;     // ... or was, ...
  bool stalled_ = false;  // ... and the stream knows
  std::optional<absl::Status> ended_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_WORLD_H_
