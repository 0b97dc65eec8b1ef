// SPDX-License-Identifier: Apache-2.0
#include "server/calls/find_step.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/history_reader.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/translation/stored_session.h"

namespace backprop {
namespace {

absl::Status KeepsNone(const Session& session) {
  if (session.spec()->history.any()) {
    return FieldRejection(
        kStepNotKept, "step",
        absl::StrCat("names a step of session ", session.id(),
                     ", whose history begins with its next commit: go back to "
                     "the steps that come then"));
  }
  return FieldRejection(
      kStepNotKept, "step",
      absl::StrCat("names a step of session ", session.id(),
                   ", which keeps no history: set spec.history to go back to "
                   "the steps that come then, or go back to a checkpoint"));
}

absl::StatusOr<std::shared_ptr<Session>> ReadStepNow(ServiceContext& context,
                                                     const Session& session,
                                                     uint64_t step,
                                                     Store& store) {
  const ProtoCodec codec;
  auto past = CatchOutOfMemory([&] {
    return ReadStep(session.id(), step, session.layout(), store, codec,
                    context.sessions);
  });
  // What went while it was read looks damaged.
  absl::Status kept = CheckKept(session, step);
  if (!kept.ok()) return kept;
  return past;
}

}  // namespace

absl::Status CheckKept(const Session& session, uint64_t step) {
  const SessionMoment moment = session.moment();
  if (!moment.history_first_step.has_value()) return KeepsNone(session);
  const uint64_t first = *moment.history_first_step;
  const uint64_t last = moment.progress.step;
  if (step >= first && step <= last) return absl::OkStatus();
  return FieldRejection(
      step < first ? kStepNotKept : kStepNotReached, "step",
      absl::StrCat("is ", step, "; the history of session ", session.id(),
                   " has steps ", first, " to ", last));
}

void ReadPastStep(ServiceContext& context,
                  const std::shared_ptr<Session>& session, uint64_t step,
                  PastRead done) {
  // It may have been done a moment ago.
  WhenDurable(
      context, session,
      [&context, session, step, done](const absl::Status& durable) {
        if (!durable.ok()) return done(durable);
        const absl::Status begun = CatchOutOfMemory([&] {
          context.reader->Read([&context, session, step, done](Store& store) {
            done(ReadStepNow(context, *session, step, store));
          });
        });
        if (!begun.ok()) done(begun);
      });
}

}  // namespace backprop
