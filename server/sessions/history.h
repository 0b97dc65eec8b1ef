// SPDX-License-Identifier: Apache-2.0
//
// A session's past, as the store keeps it: all that it takes to bring the
// session back to any of its last steps.
//
// What steps added lies in pieces of steps (server/store/session_steps.h), and
// now and then there is an image from which they lead on. Beside each piece of
// steps lies a block: what the session was besides when the first of them
// began, and their errors, which say how a schedule went on. So a step is come
// to by way of the block that has it: the images and steps before it, the steps
// of the block up to it, and what these steps make of the rest.
//
// Blocks whose steps are read from the same image are a group, which goes as a
// whole when limits want it: what is left begins with an image.
#ifndef BACKPROP_SERVER_SESSIONS_HISTORY_H_
#define BACKPROP_SERVER_SESSIONS_HISTORY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/sessions/done_requests.h"
#include "server/sessions/session_spec.h"
#include "server/store/store.h"

namespace backprop {

// What a piece of kind kBlock says, with its name.
struct HistoryBlock {
  std::string head = {};  // the body of the session's head at base_step
  std::vector<float> errors = {};  // of the steps from base_step + 1 to step
  uint64_t spec_piece = 0;         // by which these were done
  uint64_t last_piece = 0;         // that weights at `step` are read from
  std::vector<DoneRequest> requests =
      {};  // done with these steps, oldest first
  std::chrono::system_clock::time_point time = {};  // of the hand-over

  friend bool operator==(const HistoryBlock&, const HistoryBlock&) = default;
};

// The first step that a block leads to: one after its base, unless it is of one
// moment.
inline uint64_t FirstStepOf(const PieceName& block) {
  return block.base_step == block.step ? block.step : block.base_step + 1;
}

// The pieces that a session needs for its past alone. As a plain value.
class PastPieces {
 public:
  using Time = std::chrono::system_clock::time_point;

  struct Group {
    uint64_t first_piece = 0;  // the first image that its blocks are read from
    uint64_t first_step = 0;   // that its blocks lead to
    uint64_t last_step = 0;
    Time last_time = {};  // when that was handed over
  };

  // What the session itself is stored in, as far as it bears on the past.
  struct Present {
    uint64_t first_piece = 0;  // of its images
    // Of its blocks; none has the largest number.
    uint64_t first_block = std::numeric_limits<uint64_t>::max();
  };

  void Add(const StoredPiece& piece);
  // After all of its pieces but those that are still needed.
  void Close(const Group& group) { groups_.push_back(group); }

  // Whether Trim would take anything.
  bool IsBeyond(const HistoryLimits& limits, uint64_t step, Time now) const {
    return !groups_.empty() &&
           GroupIsBeyond(groups_.front(), limits, step, now);
  }
  // Groups beyond a limit go, the oldest first. Returns their pieces.
  std::vector<StoredPiece> Trim(const HistoryLimits& limits, uint64_t step,
                                Time now, const Present& present);
  // What comes after that step goes, the present with it. Returns its pieces.
  std::vector<StoredPiece> CutAfter(uint64_t step);

  const std::vector<StoredPiece>& pieces() const { return pieces_; }
  const std::vector<Group>& groups() const { return groups_; }
  size_t bytes() const { return bytes_; }

 private:
  bool GroupIsBeyond(const Group& group, const HistoryLimits& limits,
                     uint64_t step, Time now) const;
  template <class Goes>
  std::vector<StoredPiece> Take(Goes goes);

  std::vector<StoredPiece> pieces_;
  std::vector<Group> groups_;  // oldest first
  size_t bytes_ = 0;           // of pieces_
};

// What a journal knows of a session's history.
struct History {
  bool begun = false;  // there is at least one block
  // Replaced, never changed. Never null.
  std::shared_ptr<const PastPieces> past = std::make_shared<const PastPieces>();
  // That the blocks lead to which are read from the session's present images.
  std::optional<uint64_t> present_first_step = std::nullopt;

  // nullopt: there is none.
  std::optional<uint64_t> first_step() const;
};

// Of a session that is loaded. time_of: when that block was handed over.
History HistoryOf(
    const StoredSession& stored, uint64_t first_live_piece,
    const std::function<PastPieces::Time(const PieceName& block)>& time_of);

// A block by where it ends.
struct BlockEnd {
  uint64_t step = 0;        // the last that it leads to
  bool ends_group = false;  // no later block is read from the same image
  const PieceName* block = nullptr;  // never null; its session's
};

// Of all blocks of a session that has come to head_step. pieces must outlive
// what is returned.
std::vector<BlockEnd> BlockEnds(std::span<const StoredPiece> pieces,
                                uint64_t head_step);

// The block that leads to a step of a session that has come to head_step; null:
// none does. A block that was cut leads no further than to where the next
// begins.
const PieceName* FindBlock(std::span<const StoredPiece> pieces,
                           uint64_t head_step, uint64_t step);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_HISTORY_H_
