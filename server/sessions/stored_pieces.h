// SPDX-License-Identifier: Apache-2.0
//
// The pieces that the store has of a session once all that its journal has
// handed over is committed, by whom they are there for: its present life, its
// past (history.h), its checkpoints (checkpoint.h).
//
// A piece that the present needs no longer becomes past while history is kept,
// else it goes, with this change or with later ones (removals.h); but what a
// checkpoint holds stays, until the last one goes that does. What is put and
// goes within one change never reaches the store.
#ifndef BACKPROP_SERVER_SESSIONS_STORED_PIECES_H_
#define BACKPROP_SERVER_SESSIONS_STORED_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/sessions/checkpoint.h"
#include "server/sessions/history.h"
#include "server/sessions/removals.h"
#include "server/store/store.h"

namespace backprop {

// As a plain value, of which the journal makes a copy with each change: what
// may be long in it, but for the present's pieces, is replaced and never
// changed.
class StoredPieces {
 public:
  StoredPieces() = default;
  // As they were loaded. first_live: as the session's head says; checkpoints,
  // history: all that it has. What nobody has any more is yet to be removed;
  // not where a checkpoint is damaged, as it may be mended with a copy.
  StoredPieces(const StoredSession& stored, uint64_t first_live,
               CheckpointSet checkpoints, History history);

  // Of the session's present life: one spec, and all from first_live on. These
  // are images and steps, the blocks that are read from them, and of the past
  // specs that blocks are of, and maybe the last blocks of the last group.
  const std::vector<StoredPiece>& present() const { return present_; }
  uint64_t first_live() const { return first_live_; }
  uint64_t spec() const;  // the number of the present spec's; 0: none yet
  size_t SpecBytes() const;
  // What the next piece's will be.
  uint64_t next() const { return next_; }
  const History& history() const { return history_; }
  // Never null.
  const std::shared_ptr<const CheckpointSet>& checkpoints() const {
    return checkpoints_;
  }

  size_t Bytes() const;       // of the present's and the past's
  size_t StepsBytes() const;  // of the present's steps
  // Some are yet to be removed, by the next changes.
  bool OwesRemovals() const { return removals_.any(); }

  // For the present. Its number is the next one.
  void Put(PieceName name, std::string bytes, SessionChange& change);
  // In the place of the one that there is, if any.
  void PutSpec(uint64_t step, std::string bytes, SessionChange& change);
  // For nobody that is known here. Returns its number.
  uint64_t PutApart(PieceName name, std::string bytes, SessionChange& change);

  // The present begins with the image that has that number: of what came
  // before it keeps its spec alone. Of the rest what comes before `past_end` is
  // past from here on; returns how many bytes.
  size_t BeginPresent(uint64_t first_live, uint64_t past_end);
  // Nobody needs it.
  void Remove(uint64_t number, SessionChange& change);
  // Nor that one of the present's, which another takes the place of.
  void TakeBack(uint64_t number, SessionChange& change);

  void SetHistory(History history) { history_ = std::move(history); }
  // These groups go, which history has no more, but for specs that it needs.
  void Forget(std::span<const PastGroup> groups, SessionChange& change);
  // The present's blocks go, and what was there for these alone.
  void ForgetBlocks(SessionChange& change);
  // Steps that were done since the last group are done no more.
  void CutSpec();

  void SetCheckpoints(CheckpointSet checkpoints);
  // What was there for it alone goes: it has gone itself.
  void Forsake(const Checkpoint& checkpoint);

  // At the end of each change: removes some of what is to be.
  void RemoveSome(SessionChange& change);

 private:
  void RetireSpec(SessionChange& change);
  // Unless a checkpoint holds it.
  void Drop(const StoredPiece& piece, SessionChange& change);
  void OweRest(const StoredSession& stored, uint64_t present_spec);

  std::vector<StoredPiece> present_;
  uint64_t first_live_ = 0;
  bool spec_is_needed_ = true;  // a block may be of it
  uint64_t next_ = 1;
  History history_;
  // That blocks of the past are of, and are neither within a group nor in
  // present_: the first group's, at most.
  std::vector<StoredPiece> specs_;
  std::shared_ptr<const CheckpointSet> checkpoints_ =
      std::make_shared<const CheckpointSet>();
  Removals removals_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_STORED_PIECES_H_
