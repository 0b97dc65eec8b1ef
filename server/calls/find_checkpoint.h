// SPDX-License-Identifier: Apache-2.0
//
// A session's checkpoints, for the RPCs that are about one.
#ifndef BACKPROP_SERVER_CALLS_FIND_CHECKPOINT_H_
#define BACKPROP_SERVER_CALLS_FIND_CHECKPOINT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"
#include "server/sessions/checkpoint.h"
#include "server/sessions/session.h"

namespace backprop {

// What an answer that describes one takes at most, more or less.
inline constexpr size_t kCheckpointBytes = 512;

// Fails with CHECKPOINT_NOT_FOUND, or with INVALID_REQUEST on that field of the
// request.
absl::StatusOr<std::shared_ptr<const Checkpoint>> FindCheckpoint(
    const Session& session, const std::string& name,
    std::string_view field = "name");

// Reads the session as it was at its checkpoint, off the turns, and calls done
// with what ReadCheckpoint gives, from any thread. Fails with
// CHECKPOINT_NOT_FOUND too, where it has been deleted meanwhile.
using PastRead =
    std::function<void(absl::StatusOr<std::shared_ptr<Session>> past)>;
void ReadPast(ServiceContext& context, const std::shared_ptr<Session>& session,
              const std::shared_ptr<const Checkpoint>& checkpoint,
              PastRead done);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_FIND_CHECKPOINT_H_
