// SPDX-License-Identifier: Apache-2.0
//
// What survives: for each session a head, small and replaced by every commit,
// and pieces, larger and written once. A store keeps them and knows nothing of
// what they say (session_steps.h, session_image.h in this folder do).
//
// Two halves, so that one day they may lie in two places. Pieces are blobs
// under a name: put, read, listed, removed. Heads are what is agreed on: a
// change names the epoch that it believes the session to be in, and where the
// session is in another, nothing of the change is done, in the same statement
// that looks. So a server that has lost a session to another can't overwrite
// it, however late its commit comes. PostgreSQL, or an object store beside it,
// can do as much.
//
//   auto store = OpenSqliteStore(path);
//   auto outcomes = (*store)->Commit(changes);   // the committer's thread
//   auto stored = (*store)->Load("s-…");         // any thread
#ifndef BACKPROP_SERVER_STORE_STORE_H_
#define BACKPROP_SERVER_STORE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace backprop {

// What a piece holds. The numbers are stored: none is ever used for another.
enum class PieceKind : uint8_t {
  kSpec = 1,        // the effective spec
  kImage = 2,       // weights or optimiser state, or a part of them
  kSteps = 3,       // what some steps in a row added
  kCheckpoint = 4,  // a moment under a name, and which pieces have it
  kBlock = 5,       // what else it takes to come back to some steps in a row
};

// Which piece of a session. Whoever commits chooses the number: one that no
// piece of that session has had before.
struct PieceName {
  uint64_t number = 0;
  PieceKind kind = PieceKind::kSpec;
  uint64_t base_step = 0;  // kSteps, kBlock: its steps come after this one
  uint64_t step = 0;       // what it is of: the last of its steps
  // kImage: the first of its weights; kBlock: the first piece that these are
  // read from.
  uint64_t first_number = 0;

  friend bool operator==(const PieceName&, const PieceName&) = default;
};

struct Piece {
  PieceName name;
  std::string bytes;
};

// What a session is, but for its pieces.
struct SessionHead {
  std::string id;
  uint64_t epoch = 0;  // from 1 on
  uint64_t step = 0;   // up to which the session is durable
  std::string body;    // in its writer's form

  friend bool operator==(const SessionHead&, const SessionHead&) = default;
};

// An epoch goes on from the step at which the one before it was durable.
struct EpochStart {
  uint64_t epoch = 0;
  uint64_t first_step = 0;

  friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

// Pieces of a session by their numbers, whichever of these there are; none that
// says a checkpoint (kCheckpoint).
struct PieceRange {
  uint64_t first = 0;
  uint64_t last = 0;
  bool blocks_alone = false;  // of these kBlock alone

  bool Has(const PieceName& name) const {
    return name.number >= first && name.number <= last &&
           (blocks_alone ? name.kind == PieceKind::kBlock
                         : name.kind != PieceKind::kCheckpoint);
  }
};

// What a commit does to one session.
struct SessionChange {
  // As it is afterwards. Where its epoch is another than expected_epoch, that
  // epoch begins, at head.step.
  SessionHead head;
  uint64_t expected_epoch = 0;  // 0: there is no such session yet
  std::vector<Piece> put;
  std::vector<uint64_t> remove;  // pieces' numbers; none that `put` puts
  // Likewise; no number is in two of them, or in `remove` too.
  std::vector<PieceRange> remove_ranges;
  bool erase = false;  // the session goes, with all of its pieces
  // With erase: whatever is stored of it, and in whatever epoch; expected_epoch
  // is 0. Done, too, where there is no such session.
  bool damaged = false;
  // About how many bytes the store has less then: for those who wait for it.
  size_t remove_bytes = 0;
};

// What has become of a change. All but kTaken leave no trace of it.
enum class ChangeOutcome : uint8_t {
  kTaken,
  kOtherEpoch,  // the session is not in the expected epoch
  // What is stored of the session is not what was written, or lacks a piece
  // that was to be removed: Check tells more. Other changes don't touch it.
  kDamaged,
};

struct StoredPiece {
  PieceName name;
  size_t bytes = 0;
};

struct StoredSession {
  SessionHead head;
  std::vector<EpochStart> epochs;   // in order; the last is head's
  std::vector<StoredPiece> pieces;  // by number
};

// For lists: no piece is read. One damaged head keeps nobody from the others.
struct StoredHead {
  SessionHead head;
  size_t bytes = 0;     // of its pieces
  absl::Status damage;  // DATA_LOSS: nothing of it can be relied on but head.id
};

// Errors: UNAVAILABLE where the disk, or what the store lies in, fails;
// DATA_LOSS where what was read is not what was written, with the session and
// the piece; NOT_FOUND; INVALID_ARGUMENT and ALREADY_EXISTS where changes break
// the rules here. Messages say what an operator can do. Numbers are below 2^63.
//
// What reads it: from any thread, also during a commit, what was last
// committed.
class ReadableStore {
 public:
  virtual ~ReadableStore() = default;

  virtual absl::StatusOr<StoredSession> Load(const std::string& id) = 0;
  // At most count sessions whose ids come after `after`, in order of ids.
  virtual absl::StatusOr<std::vector<StoredHead>> List(const std::string& after,
                                                       size_t count) = 0;
  virtual absl::StatusOr<std::string> ReadPiece(const std::string& id,
                                                uint64_t number) = 0;
};

class Store : public ReadableStore {
 public:
  // All changes or none, durable on return, but for those that can't be taken:
  // the answer tells of each. After an error nothing may be assumed but this:
  // the same changes may be committed again, first of all, and then are done
  // once. One thread at a time.
  virtual absl::StatusOr<std::vector<ChangeOutcome>> Commit(
      std::span<const SessionChange> changes) = 0;

  // The rest from any thread, too.

  // Reads everything, tells `fault` of each thing that is wrong, in words for
  // an operator; fails only where it can't go on.
  virtual absl::Status Check(
      const std::function<void(std::string_view)>& fault) = 0;

  // Bytes that the store takes on the disk.
  virtual size_t DiskBytes() = 0;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_STORE_H_
