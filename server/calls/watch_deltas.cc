// SPDX-License-Identifier: Apache-2.0
#include "server/calls/watch_deltas.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/translation/input.h"

namespace backprop {

absl::StatusOr<std::shared_ptr<Session>> FindWatched(
    const ServiceContext& context, const v1::WatchDeltasRequest& request) {
  auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session;
  if (request.with_state() && !request.with_anchor()) {
    return InvalidField("with_state",
                        "is for anchors: set with_anchor too, or leave it");
  }
  return session;
}

absl::StatusOr<WatchBegin> BeginWatch(const v1::WatchDeltasRequest& request,
                                      const Session& session,
                                      std::shared_ptr<DeltaReader> watcher) {
  const Progress progress = session.progress();
  const uint64_t after =
      request.has_after_step() ? request.after_step() : progress.step;
  if (request.has_after_step() &&
      !MayGoOn(session.epochs(), request.epoch(), after)) {
    return Rejection(
        kEpochOver,
        absl::StrCat("step ", after, " of epoch ",
                     std::max<uint64_t>(request.epoch(), 1),
                     " is not part of the session's present life, epoch ",
                     session.epoch(), ": begin with an anchor (with_anchor)"));
  }
  if (after > progress.step) {
    return Rejection(
        kStepNotReached,
        absl::StrCat("after_step is ", after, " but the session is at step ",
                     progress.step, ": watch from there or earlier"));
  }
  const auto place = session.shared_feed()->AddReader(std::move(watcher), after,
                                                      progress.step);
  if (!place.has_value()) {
    return Rejection(
        kStepNotHeld,
        absl::StrCat("deltas from step ", after,
                     " on are not held (the session is at step ", progress.step,
                     "): begin with an anchor (with_anchor)"));
  }
  WatchBegin begin{.place = *place, .first = {}};
  begin.first.set_base_step(after);
  begin.first.set_step(after);
  begin.first.set_next_offset(progress.next_offset -
                              (progress.step - after) *
                                  session.layout().batch_size());
  begin.first.set_epoch(session.epoch());
  const auto spec = session.spec();
  if (!spec->input.mean.empty()) {
    StandardisationToProto(*spec, begin.first.mutable_standardisation());
  }
  return begin;
}

v1::WatchDeltasResponse LastOfWatch(WatchEnd why, uint64_t step,
                                    const DeltaFeed& feed) {
  v1::WatchDeltasResponse response;
  response.set_base_step(step);
  response.set_step(step);
  switch (why) {
    case WatchEnd::kGoodbye:
      response.set_goodbye(true);
      break;
    case WatchEnd::kSessionDeleted:
      response.set_session_deleted(true);
      break;
    case WatchEnd::kResync:
      response.set_resync(true);
      response.set_step(feed.present());
      break;
  }
  return response;
}

}  // namespace backprop
