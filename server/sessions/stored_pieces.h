// SPDX-License-Identifier: Apache-2.0
//
// The pieces that the store has of a session once all that its journal has
// handed over is committed, by whom they are there for: its present life, its
// past (history.h), its checkpoints (checkpoint.h).
//
// A piece that the present needs no longer becomes past while history is kept,
// else it goes; but what a checkpoint holds stays, until the last one goes that
// does. What is put and goes within one change never reaches the store.
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
#include "server/store/store.h"

namespace backprop {

// As a plain value, of which the journal makes a copy with each change: what
// may be long in it, but for the present's pieces, is replaced and never
// changed.
class StoredPieces {
 public:
  StoredPieces() = default;
  // As they were loaded. first_live: as the session's head says; checkpoints,
  // history: all that it has.
  StoredPieces(const StoredSession& stored, uint64_t first_live,
               CheckpointSet checkpoints, History history);

  // Of the session's present life: one spec, of images and steps all from
  // first_live on, the blocks that are read from these.
  const std::vector<StoredPiece>& present() const { return present_; }
  uint64_t first_live() const { return first_live_; }
  uint64_t spec() const;  // the number of the present spec's
  // What the next piece's will be.
  uint64_t next() const { return next_; }
  const History& history() const { return history_; }
  // Never null.
  const std::shared_ptr<const CheckpointSet>& checkpoints() const {
    return checkpoints_;
  }

  size_t Bytes() const;       // of the present's and the past's
  size_t StepsBytes() const;  // of the present's steps

  // For the present. Its number is the next one.
  void Put(PieceName name, std::string bytes, SessionChange& change);
  // In the place of the one that there is, if any.
  void PutSpec(uint64_t step, std::string bytes, SessionChange& change);
  // For nobody that is known here. Returns its number.
  uint64_t PutApart(PieceName name, std::string bytes, SessionChange& change);

  // The present begins with the image that has that number.
  void BeginPresent(uint64_t first_live) { first_live_ = first_live; }
  // The present needs these no longer.
  void Retire(std::span<const uint64_t> numbers, SessionChange& change);
  // ... and keeps nothing but its spec.
  void RetireNumbers(SessionChange& change);
  // Takes those that fit out of the present, for whoever has them then.
  template <class Fits>
  std::vector<StoredPiece> TakeOut(Fits fits);

  // Neither the present nor the past needs these.
  void Drop(std::span<const StoredPiece> pieces, SessionChange& change);
  // Nobody does.
  void Remove(uint64_t number, SessionChange& change);

  void SetHistory(History history) { history_ = std::move(history); }
  // Removes what was there for those alone that are gone.
  void SetCheckpoints(CheckpointSet checkpoints, SessionChange& change);

 private:
  // A piece that is there for checkpoints alone.
  struct Kept {
    PieceKind kind;
    uint64_t number;
  };
  using KeptPieces = std::vector<Kept>;

  void Retire(const std::vector<StoredPiece>& pieces, SessionChange& change);

  std::vector<StoredPiece> present_;
  uint64_t first_live_ = 0;
  bool spec_is_needed_ = true;  // a block may be of it
  uint64_t next_ = 1;
  History history_;
  std::shared_ptr<const CheckpointSet> checkpoints_ =
      std::make_shared<const CheckpointSet>();
  std::shared_ptr<const KeptPieces> kept_ =
      std::make_shared<const KeptPieces>();
};

template <class Fits>
std::vector<StoredPiece> StoredPieces::TakeOut(Fits fits) {
  std::vector<StoredPiece> taken;
  std::erase_if(present_, [&](const StoredPiece& piece) {
    if (!fits(piece.name)) return false;
    taken.push_back(piece);
    return true;
  });
  return taken;
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_STORED_PIECES_H_
