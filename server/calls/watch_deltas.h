// SPDX-License-Identifier: Apache-2.0
//
// WatchDeltas: where a watcher begins, and what it is told at its end. What
// lies between is the session's feed (watched_steps.h, delta_feed.h).
#ifndef BACKPROP_SERVER_CALLS_WATCH_DELTAS_H_
#define BACKPROP_SERVER_CALLS_WATCH_DELTAS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/sessions/delta_feed.h"
#include "server/sessions/session.h"

namespace backprop {

// The session. Fails as FindSession, or with INVALID_REQUEST.
absl::StatusOr<std::shared_ptr<Session>> FindWatched(
    const ServiceContext& context, const v1::WatchDeltasRequest& request);

// Where a watcher begins without an anchor.
struct WatchBegin {
  uint64_t place = 0;  // in the feed
  v1::WatchDeltasResponse first;
};

// Makes the watcher a reader of the session's feed. Only within a turn of the
// session's lane. Fails with STEP_NOT_REACHED, with EPOCH_OVER, or with
// STEP_NOT_HELD where the feed has dropped what comes next.
absl::StatusOr<WatchBegin> BeginWatch(const v1::WatchDeltasRequest& request,
                                      const Session& session,
                                      std::shared_ptr<DeltaReader> watcher);

// Why a watcher hears no more.
enum class WatchEnd {
  kGoodbye,         // the server drains
  kSessionDeleted,  // and all its deltas have been sent
  kResync,          // the feed has dropped what comes next
};

// A stream's last response. step: after what was sent.
v1::WatchDeltasResponse LastOfWatch(WatchEnd why, uint64_t step,
                                    const DeltaFeed& feed);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_WATCH_DELTAS_H_
