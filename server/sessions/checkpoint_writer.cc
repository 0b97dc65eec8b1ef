// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/checkpoint_writer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace backprop {
namespace {

Checkpoint Made(Checkpoint checkpoint, const StoredPieces& pieces,
                const SessionChange& change) {
  checkpoint.epoch = change.head.epoch;
  checkpoint.step = change.head.step;
  checkpoint.head = change.head.body;
  checkpoint.order = pieces.next();
  checkpoint.first_piece = pieces.first_live();
  checkpoint.last_piece = pieces.next() - 1;
  checkpoint.spec_piece = pieces.spec();
  for (const auto& [name, bytes] : pieces.present()) {
    const bool holds = name.kind == PieceKind::kSpec
                           ? name.number == checkpoint.spec_piece
                           : name.kind != PieceKind::kBlock;
    if (holds) checkpoint.stored_bytes += bytes;
  }
  return checkpoint;
}

}  // namespace

void EditCheckpoints(const SessionCodec& codec, const CheckpointEdit& edit,
                     StoredPieces& pieces, SessionChange& change) {
  if (!edit.put.has_value() && edit.remove.empty()) return;
  CheckpointSet after = *pieces.checkpoints();
  std::vector<std::string> gone = edit.remove;
  if (edit.put.has_value()) gone.push_back(edit.put->name);
  std::vector<std::shared_ptr<const Checkpoint>> forsaken;
  for (const std::string& name : gone) {
    const CheckpointSet::Entry* const entry = after.Find(name);
    if (entry == nullptr) continue;
    pieces.Remove(entry->piece, change);
    forsaken.push_back(entry->checkpoint);
    after.Remove(name);
  }
  if (edit.put.has_value()) {
    const bool is_new = edit.put->order == 0;
    const auto put = std::make_shared<const Checkpoint>(
        is_new ? Made(*edit.put, pieces, change) : *edit.put);
    const uint64_t number =
        pieces.PutApart({.kind = PieceKind::kCheckpoint, .step = put->step},
                        codec.EncodeCheckpoint(*put), change);
    after.Put({put, number});
  }
  pieces.SetCheckpoints(std::move(after));
  for (const auto& each : forsaken) pieces.Forsake(*each);
}

}  // namespace backprop
