// SPDX-License-Identifier: Apache-2.0
#include "server/calls/find_checkpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/checkpoint_reader.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/translation/checkpoint.h"
#include "server/translation/stored_session.h"

namespace backprop {
namespace {

absl::Status NoCheckpoint(const Session& session, const std::string& name) {
  return Rejection(
      kCheckpointNotFound,
      absl::StrCat("session ", session.id(), " has no checkpoint \"", name,
                   "\": ListCheckpoints tells which it has"));
}

// What was deleted while it was read looks damaged.
absl::Status CheckIsThere(const Session& session,
                          const Checkpoint& checkpoint) {
  const auto present = session.checkpoints();
  const CheckpointSet::Entry* const entry = present->Find(checkpoint.name);
  const bool same =
      entry != nullptr && entry->checkpoint->order == checkpoint.order;
  return same ? absl::OkStatus() : NoCheckpoint(session, checkpoint.name);
}

absl::StatusOr<std::shared_ptr<Session>> ReadNow(ServiceContext& context,
                                                 const Session& session,
                                                 const Checkpoint& checkpoint,
                                                 Store& store) {
  const ProtoCodec codec;
  auto past = CatchOutOfMemory([&] {
    return ReadCheckpoint(session.id(), checkpoint, session.layout(), store,
                          codec, context.sessions);
  });
  absl::Status status = CheckIsThere(session, checkpoint);
  if (!status.ok()) return status;
  return past;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Checkpoint>> FindCheckpoint(
    const Session& session, const std::string& name, std::string_view field) {
  absl::Status status = CheckCheckpointName(name, field);
  if (!status.ok()) return status;
  const auto checkpoints = session.checkpoints();
  const CheckpointSet::Entry* const entry = checkpoints->Find(name);
  if (entry == nullptr) return NoCheckpoint(session, name);
  return entry->checkpoint;
}

void ReadPast(ServiceContext& context, const std::shared_ptr<Session>& session,
              const std::shared_ptr<const Checkpoint>& checkpoint,
              PastRead done) {
  // It may have been made a moment ago.
  WhenDurable(
      context, session,
      [&context, session, checkpoint, done](const absl::Status& durable) {
        if (!durable.ok()) return done(durable);
        const absl::Status begun = CatchOutOfMemory([&] {
          context.reader->Read(
              [&context, session, checkpoint, done](Store& store) {
                done(ReadNow(context, *session, *checkpoint, store));
              });
        });
        if (!begun.ok()) done(begun);
      });
}

}  // namespace backprop
