// SPDX-License-Identifier: Apache-2.0
#include "server/calls/update_checkpoint.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/calls/find_checkpoint.h"
#include "server/sessions/rejection.h"
#include "server/translation/checkpoint.h"

namespace backprop {
namespace {

// What a request changes; of each, nullopt: nothing.
struct NewTerms {
  std::optional<std::optional<Checkpoint::Time>> expire_time;
  std::optional<bool> pinned;
};

absl::StatusOr<NewTerms> TermsOf(const v1::UpdateCheckpointRequest& request) {
  const auto& paths = request.update_mask().paths();
  if (paths.empty() || paths.size() > 2) {
    return InvalidField("update_mask",
                        absl::StrCat("names ", paths.size(),
                                     " fields; must name expire_after, "
                                     "pinned or both"));
  }
  NewTerms terms;
  for (int i = 0; i < paths.size(); ++i) {
    if (paths[i] == "pinned") {
      terms.pinned = request.pinned();
    } else if (paths[i] != "expire_after") {
      return InvalidField(absl::StrCat("update_mask.paths[", i, "]"),
                          "is not one of expire_after, pinned");
    } else if (!request.has_expire_after()) {
      terms.expire_time = std::optional<Checkpoint::Time>();
    } else {
      const auto time = ExpireTimeFromProto(request.expire_after(),
                                            std::chrono::system_clock::now());
      if (!time.ok()) return time.status();
      terms.expire_time = *time;
    }
  }
  return terms;
}

// In a turn of the session's lane.
absl::Status Change(Session& session, const std::string& name,
                    const NewTerms& terms, v1::Checkpoint* answer) {
  const auto found = FindCheckpoint(session, name);
  if (!found.ok()) return found.status();
  Checkpoint changed = **found;
  if (terms.expire_time.has_value()) changed.expire_time = *terms.expire_time;
  if (terms.pinned.has_value()) changed.pinned = *terms.pinned;
  CheckpointToProto(session.id(), changed, answer);
  return session.EditCheckpoints({.put = std::move(changed)});
}

}  // namespace

absl::StatusOr<Work> PlanUpdateCheckpoint(
    ServiceContext& context, const v1::UpdateCheckpointRequest& request,
    v1::UpdateCheckpointResponse* response) {
  auto found = FindSession(context, request.session_id());
  if (!found.ok()) return found.status();
  const auto checkpoint = FindCheckpoint(**found, request.name());
  if (!checkpoint.ok()) return checkpoint.status();
  const auto terms = TermsOf(request);
  if (!terms.ok()) return terms.status();
  const std::shared_ptr<Session> session = *std::move(found);
  return Work{.lane = session->lane(),
              .answer_bytes = kCheckpointBytes,
              .part =
                  [session, &request, terms = *terms, response](Worker&) {
                    return Change(*session, request.name(), terms,
                                  response->mutable_checkpoint());
                  },
              .answer_field = "name",
              .settle =
                  [&context, session](auto done) {
                    WhenDurable(context, session, std::move(done));
                  }};
}

}  // namespace backprop
