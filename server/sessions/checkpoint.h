// SPDX-License-Identifier: Apache-2.0
//
// The checkpoints of a session: moments of it that are kept under a name.
//
// A checkpoint has no copy of the weights. It says which of the session's
// pieces in the store had them at that moment, and as long as it is there, so
// are those (stored_pieces.h).
#ifndef BACKPROP_SERVER_SESSIONS_CHECKPOINT_H_
#define BACKPROP_SERVER_SESSIONS_CHECKPOINT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/store/store.h"

namespace backprop {

struct Checkpoint {
  using Time = std::chrono::system_clock::time_point;

  std::string name = {};
  // How long it is kept.
  std::optional<Time> expire_time = std::nullopt;  // nullopt: for good
  bool pinned = false;  // neither deleted nor forgotten when it has expired

  // The moment that it is of.
  Time create_time{};
  uint64_t epoch = 0;
  uint64_t step = 0;
  uint64_t next_offset = 0;
  uint64_t digest = 0;
  std::string head = {};  // the body of the session's head

  // Grows from one that is made to the next; 0: it is yet to be made.
  uint64_t order = 0;
  // It is read from the images and steps with these numbers, and this spec.
  uint64_t first_piece = 0;
  uint64_t last_piece = 0;
  uint64_t spec_piece = 0;
  uint64_t stored_bytes = 0;  // of those pieces together
};

// Pieces that checkpoints hold. As a plain value.
class HeldPieces {
 public:
  void Add(const Checkpoint& checkpoint);
  // After the last Add, before the first Has.
  void Sort();
  bool Has(PieceKind kind, uint64_t number) const;

  // Of images and steps: first, last; apart, in order.
  const std::vector<std::pair<uint64_t, uint64_t>>& ranges() const {
    return ranges_;
  }
  const std::vector<uint64_t>& specs() const { return specs_; }  // in order

 private:
  std::vector<std::pair<uint64_t, uint64_t>> ranges_;
  std::vector<uint64_t> specs_;
};

// All of one session's, by name. As a plain value.
class CheckpointSet {
 public:
  static constexpr size_t kMost = 1000;

  struct Entry {
    std::shared_ptr<const Checkpoint> checkpoint;
    uint64_t piece = 0;  // that says it
  };

  size_t size() const { return entries_.size(); }
  // Null: there is none.
  const Entry* Find(const std::string& name) const;
  // At most count of those whose names come after `after`, in order of names.
  std::vector<std::shared_ptr<const Checkpoint>> List(const std::string& after,
                                                      size_t count) const;

  // In the place of the one of its name, if any.
  void Put(Entry entry);
  void Remove(const std::string& name) { entries_.erase(name); }

  // Those that may go: their time is over, nobody has pinned them, and there is
  // a newer one.
  std::vector<std::string> Expired(Checkpoint::Time now) const;
  // From when on there are such, as things stand; max: never.
  Checkpoint::Time NextExpiry() const;

  HeldPieces Held() const;

 private:
  // Those that go when their time is over.
  std::vector<const Checkpoint*> Passing() const;

  std::map<std::string, Entry> entries_;
};

// What a hand-over does to a session's checkpoints beside all else.
struct CheckpointEdit {
  // What order is 0 of is made, of the session's moment, whose digest it has;
  // else it takes the place of the one of its name.
  std::optional<Checkpoint> put = std::nullopt;
  std::vector<std::string> remove = {};
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_CHECKPOINT_H_
