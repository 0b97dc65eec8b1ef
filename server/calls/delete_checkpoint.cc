// SPDX-License-Identifier: Apache-2.0
#include "server/calls/delete_checkpoint.h"

#include <memory>
#include <string>
#include <utility>

#include "server/calls/find_checkpoint.h"
#include "server/sessions/rejection.h"

namespace backprop {
namespace {

// In a turn of the session's lane.
absl::Status Forget(Session& session, const std::string& name) {
  const auto found = FindCheckpoint(session, name);
  if (!found.ok()) return found.status();
  if ((*found)->pinned) {
    return InvalidField("name",
                        "names a checkpoint that is pinned: unpin it first "
                        "(UpdateCheckpoint)");
  }
  return session.EditCheckpoints({.remove = {name}});
}

}  // namespace

absl::StatusOr<Work> PlanDeleteCheckpoint(
    ServiceContext& context, const v1::DeleteCheckpointRequest& request,
    v1::DeleteCheckpointResponse* /*response*/) {
  auto found = FindSession(context, request.session_id());
  if (!found.ok()) return found.status();
  const auto checkpoint = FindCheckpoint(**found, request.name());
  if (!checkpoint.ok()) return checkpoint.status();
  const std::shared_ptr<Session> session = *std::move(found);
  return Work{.lane = session->lane(),
              .answer_bytes = kCheckpointBytes,
              .part = [session, &request](
                          Worker&) { return Forget(*session, request.name()); },
              .answer_field = "name",
              .settle =
                  [&context, session](auto done) {
                    WhenDurable(context, session, std::move(done));
                  }};
}

}  // namespace backprop
