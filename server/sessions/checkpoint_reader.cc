// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/checkpoint_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/stored_record.h"
#include "server/store/restore.h"

namespace backprop {
namespace {

// The session as it was stored then.
absl::StatusOr<StoredSession> FindPieces(const std::string& id,
                                         const Checkpoint& checkpoint,
                                         ReadableStore& store) {
  auto stored = store.Load(id);
  if (!stored.ok()) return stored;
  return StoredSession{{id, checkpoint.epoch, checkpoint.step, checkpoint.head},
                       {},
                       NumberPieces(stored->pieces, checkpoint.first_piece,
                                    checkpoint.last_piece)};
}

absl::Status RestoreFrom(const StoredSession& stored,
                         const SessionRecord& record,
                         const Checkpoint& checkpoint, ReadableStore& store,
                         Session& session) {
  absl::Status status = RestoreNumbers(
      stored, record.layout, record.spec.input,
      [&](uint64_t piece) { return store.ReadPiece(stored.head.id, piece); },
      session.weights(), session.state());
  if (!status.ok()) return status;
  if (session.WeightsDigest() != checkpoint.digest) {
    return absl::DataLossError("its weights are not those of its digest");
  }
  session.GoOnFrom(record.standing);
  return status;
}

}  // namespace

absl::StatusOr<CheckpointSet> ReadCheckpoints(const StoredSession& stored,
                                              Store& store,
                                              const SessionCodec& codec) {
  CheckpointSet checkpoints;
  for (const StoredPiece& piece : stored.pieces) {
    if (piece.name.kind != PieceKind::kCheckpoint) continue;
    const auto bytes = store.ReadPiece(stored.head.id, piece.name.number);
    if (absl::IsDataLoss(bytes.status())) continue;
    if (!bytes.ok()) return bytes.status();
    auto checkpoint = codec.DecodeCheckpoint(*bytes);
    if (!checkpoint.ok()) continue;
    checkpoints.Put({std::make_shared<const Checkpoint>(*std::move(checkpoint)),
                     piece.name.number});
  }
  return checkpoints;
}

absl::StatusOr<std::shared_ptr<Session>> RestoreCheckpoint(
    const std::string& id, const Checkpoint& checkpoint, const Layout& layout,
    ReadableStore& store, const SessionCodec& codec, SessionTable& sessions) {
  const auto stored = FindPieces(id, checkpoint, store);
  if (!stored.ok()) return stored.status();
  const auto spec = store.ReadPiece(id, checkpoint.spec_piece);
  if (!spec.ok()) return spec.status();
  const auto record = codec.Decode(stored->head, *spec);
  if (!record.ok()) return record.status();
  if (!SameLayout(record->layout, layout)) {
    return absl::DataLossError("its layout is not the session's");
  }
  return sessions.MakeApart(*record, [&](Session& session) {
    return RestoreFrom(*stored, *record, checkpoint, store, session);
  });
}

absl::StatusOr<std::shared_ptr<Session>> ReadCheckpoint(
    const std::string& id, const Checkpoint& checkpoint, const Layout& layout,
    Store& store, const SessionCodec& codec, SessionTable& sessions) {
  auto session =
      RestoreCheckpoint(id, checkpoint, layout, store, codec, sessions);
  if (session.ok()) return session;
  return CantBeRead(
      absl::StrCat("checkpoint \"", checkpoint.name, "\" of session ", id),
      session.status());
}

}  // namespace backprop
