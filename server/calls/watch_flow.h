// SPDX-License-Identifier: Apache-2.0
//
// The order of things in a WatchDeltas stream, as train_flow.h is Train's: one
// thing is under way at a time, a turn or a write, and when it is over the
// stream ends or somebody looks for what comes next.
#ifndef BACKPROP_SERVER_CALLS_WATCH_FLOW_H_
#define BACKPROP_SERVER_CALLS_WATCH_FLOW_H_

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "server/sessions/session.h"

namespace backprop {

// Under the lock of the stream that owns it.
class WatchFlow {
 public:
  // What to start: one of these, or nothing.
  struct Start {
    bool write = false;
    std::shared_ptr<Session> anchor_of;  // an anchor is to be taken
    std::optional<absl::Status> end;

    bool Anything() const { return write || anchor_of != nullptr; }
  };

  // Turns of the session's lane and what follows them, as one: its place in the
  // feed is looked for, or an anchor taken.
  void TurnBegun() { turn_ = true; }
  void TurnEnded(const absl::Status& status) {
    turn_ = false;
    if (!status.ok()) end_ = status;
  }

  void WriteBegun() { writing_ = true; }
  void WriteDone(bool ok) {
    writing_ = false;
    if (!ok) cancelled_ = true;
  }

  // The client is gone.
  void Cancel() { cancelled_ = true; }
  // The server drains: a goodbye is to be the next that is written.
  void Leave() { leaving_ = true; }
  // How the stream ends, when what is under way is over.
  void End(const absl::Status& status) { end_ = status; }

  // Whether something may be begun.
  bool MayBegin() const { return !turn_ && !writing_ && !cancelled_ && !end_; }
  bool leaving() const { return leaving_; }
  bool cancelled() const { return cancelled_; }

  // Once, and only where nothing is under way: how the stream ends now.
  // may_end: as StreamShell's.
  std::optional<absl::Status> TakeEnd(bool may_end) {
    if (finished_ || !may_end || turn_ || writing_) return std::nullopt;
    if (cancelled_) end_ = absl::CancelledError("cancelled");
    finished_ = end_.has_value();
    return end_;
  }

 private:
  bool turn_ = false;
  bool writing_ = false;
  bool leaving_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
  std::optional<absl::Status> end_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_WATCH_FLOW_H_
