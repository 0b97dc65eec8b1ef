// SPDX-License-Identifier: Apache-2.0
#include "server/calls/create_checkpoint.h"

#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/calls/find_checkpoint.h"
#include "server/sessions/rejection.h"
#include "server/translation/checkpoint.h"

namespace backprop {
namespace {

absl::Status CheckStored(const Session& session) {
  if (session.is_durable()) return absl::OkStatus();
  return FieldRejection(
      kNoStore, "session_id",
      absl::StrCat("names a session that is in memory only "
                   "(spec.durability.mode): checkpoints are kept in a store"));
}

absl::Status Exists(const Checkpoint& checkpoint, const Session& session) {
  return Rejection(
      kCheckpointExists,
      absl::StrCat("session ", session.id(), " has a checkpoint \"",
                   checkpoint.name, "\" at step ", checkpoint.step,
                   ": choose another name, or delete it"));
}

absl::Status TooMany(const Session& session) {
  return Rejection(
      kSessionLimit,
      absl::StrCat("session ", session.id(), " has its maximum of ",
                   CheckpointSet::kMost, " checkpoints: delete some"));
}

// In a turn of the session's lane.
absl::Status Keep(Session& session, Checkpoint checkpoint,
                  v1::Checkpoint* answer) {
  const Progress& progress = session.in_turn().progress;
  const std::string name = checkpoint.name;
  checkpoint.create_time = std::chrono::system_clock::now();
  checkpoint.next_offset = progress.next_offset;
  checkpoint.digest = session.WeightsDigest();
  auto checkpoints = session.checkpoints();
  if (const auto* const entry = checkpoints->Find(name); entry != nullptr) {
    const Checkpoint& earlier = *entry->checkpoint;
    if (earlier.step != progress.step || earlier.digest != checkpoint.digest) {
      return Exists(earlier, session);
    }
  } else {
    if (checkpoints->size() >= CheckpointSet::kMost) return TooMany(session);
    absl::Status status =
        session.EditCheckpoints({.put = std::move(checkpoint)});
    if (!status.ok()) return status;
    checkpoints = session.checkpoints();
  }
  CheckpointToProto(session.id(), *checkpoints->Find(name)->checkpoint, answer);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Work> PlanCreateCheckpoint(
    ServiceContext& context, const v1::CreateCheckpointRequest& request,
    v1::CreateCheckpointResponse* response) {
  auto found = FindSession(context, request.session_id());
  if (!found.ok()) return found.status();
  absl::Status status = CheckCheckpointName(request.name(), "name");
  if (status.ok()) status = CheckStored(**found);
  if (!status.ok()) return status;
  Checkpoint terms{.name = request.name(), .pinned = request.pinned()};
  if (request.has_expire_after()) {
    const auto time = ExpireTimeFromProto(request.expire_after(),
                                          std::chrono::system_clock::now());
    if (!time.ok()) return time.status();
    terms.expire_time = *time;
  }
  const std::shared_ptr<Session> session = *std::move(found);
  return Work{.lane = session->lane(),
              .answer_bytes = kCheckpointBytes,
              .part =
                  [session, terms, response](Worker&) {
                    return Keep(*session, terms,
                                response->mutable_checkpoint());
                  },
              .answer_field = "name",
              .settle =
                  [&context, session](auto done) {
                    WhenDurable(context, session, std::move(done));
                  }};
}

}  // namespace backprop
