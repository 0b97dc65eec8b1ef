// SPDX-License-Identifier: Apache-2.0
#include "server/calls/rewind_session.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/calls/find_checkpoint.h"
#include "server/calls/find_step.h"
#include "server/calls/get_session.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

// Where a session is to go back to.
struct Destination {
  std::shared_ptr<const Checkpoint> checkpoint = nullptr;  // null: to a step
  uint64_t step = 0;
  uint64_t epoch = 0;  // in which the session was there
};

absl::StatusOr<Destination> DestinationOf(
    const v1::RewindSessionRequest& request, const Session& session) {
  if (!request.has_step()) {
    auto checkpoint =
        FindCheckpoint(session, request.checkpoint(), "checkpoint");
    if (!checkpoint.ok()) return checkpoint.status();
    const uint64_t epoch = (*checkpoint)->epoch;
    return Destination{.checkpoint = *std::move(checkpoint), .epoch = epoch};
  }
  if (!request.checkpoint().empty()) {
    return InvalidField("step",
                        "can't be set where checkpoint is: go back to one of "
                        "the two");
  }
  const uint64_t epoch = session.epoch();
  absl::Status kept = CheckKept(session, request.step());
  if (!kept.ok()) return kept;
  return Destination{.step = request.step(), .epoch = epoch};
}

// The past is read, off the turns; a turn hands over what the session is
// to become; and when that is in the store another turn makes it so. Only then
// is anybody told of the new epoch: a crash before leaves the old life whole,
// one after it the new.
class Rewinding : public std::enable_shared_from_this<Rewinding> {
 public:
  using Done = std::function<void(const absl::Status&)>;

  Rewinding(ServiceContext& context, std::shared_ptr<Session> session,
            Destination destination)
      : context_(context),
        session_(std::move(session)),
        destination_(std::move(destination)) {}

  // done: called when the new life is durable, or with why there is none yet.
  // Turns that are submitted then come after the one in which it begins.
  void Run(const Done& done) {
    const PastRead read = [self = shared_from_this(), done](
                              absl::StatusOr<std::shared_ptr<Session>> past) {
      if (absl::Status status = self->CheckNoOther(); !status.ok()) {
        return done(status);
      }
      if (!past.ok()) return done(past.status());
      self->past_ = *std::move(past);
      self->SubmitBegin(done);
    };
    if (destination_.checkpoint != nullptr) {
      ReadPast(context_, session_, destination_.checkpoint, read);
    } else {
      ReadPastStep(context_, session_, destination_.step, read);
    }
  }

 private:
  // A step that was read may be of no life of the session any more, and look
  // damaged. What a checkpoint holds stays.
  absl::Status CheckNoOther() const {
    if (destination_.checkpoint != nullptr) return absl::OkStatus();
    if (session_->epoch() == destination_.epoch) {
      return session_->CheckNotRewinding();
    }
    return Rejection(kSessionBusy,
                     absl::StrCat("session ", session_->id(),
                                  " was taken back by another call meanwhile: "
                                  "try again, if it shall go back further"));
  }

  void SubmitBegin(const Done& done) {
    const absl::Status status = CatchOutOfMemory([&] {
      context_.pool.Submit(
          session_->lane(),
          [self = shared_from_this(), done](Worker&) { self->Begin(done); });
    });
    if (!status.ok()) done(status);
  }

  // A turn of the session's lane.
  void Begin(const Done& done) {
    absl::Status status = CatchOutOfMemory([&] {
      if (absl::Status other = CheckNoOther(); !other.ok()) return other;
      return session_->BeginRewind(
          *past_, destination_.epoch,
          [self = shared_from_this()] { self->SubmitFinish(); });
    });
    if (status.ok()) {
      status = CatchOutOfMemory([&] { WhenDurable(context_, session_, done); });
    }
    if (!status.ok()) done(status);
  }

  // From the committer's thread. There is no way back: it waits for memory.
  void SubmitFinish() {
    const auto submit = [&] {
      context_.pool.Submit(session_->lane(), [self = shared_from_this()](
                                                 Worker&) { self->Finish(); });
    };
    while (!CatchOutOfMemory(submit).ok()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  // A turn of the session's lane.
  void Finish() {
    // What may fail is to wake those who watch, which is done last: they hear
    // of it with the next step.
    CatchOutOfMemory([&] { session_->FinishRewind(*past_); }).IgnoreError();
  }

  ServiceContext& context_;
  const std::shared_ptr<Session> session_;
  const Destination destination_;
  std::shared_ptr<Session> past_;  // set once it has been read
};

}  // namespace

absl::StatusOr<Work> PlanRewindSession(ServiceContext& context,
                                       const v1::RewindSessionRequest& request,
                                       v1::RewindSessionResponse* response) {
  auto found = FindSession(context, request.session_id());
  if (!found.ok()) return found.status();
  const std::shared_ptr<Session> session = *std::move(found);
  auto destination = DestinationOf(request, *session);
  if (!destination.ok()) return destination.status();
  if (absl::Status status = session->CheckNoWriter(); !status.ok()) {
    return status;
  }
  const auto rewinding =
      std::make_shared<Rewinding>(context, session, *std::move(destination));
  return Work{.lane = session->lane(),
              .answer_bytes = SessionBytes(*session),
              .part =
                  [session, response](Worker&) {
                    SessionToProto(*session, response->mutable_session());
                    return absl::OkStatus();
                  },
              .begin = [rewinding](auto done) { rewinding->Run(done); }};
}

}  // namespace backprop
