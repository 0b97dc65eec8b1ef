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
// whole when limits want it: what is left begins with an image. Groups are all
// that is known of the past in memory, each as a range of pieces' numbers; the
// pieces of one go in the course of some changes (removals.h), so a store may
// have some of what is no longer the past, which its head tells apart.
#ifndef BACKPROP_SERVER_SESSIONS_HISTORY_H_
#define BACKPROP_SERVER_SESSIONS_HISTORY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
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

inline uint64_t NumberOf(const StoredPiece& piece) { return piece.name.number; }

// What a head says of a session's pieces.
struct HeadPieces {
  // Of those of images and steps: those before are of no part of its present.
  uint64_t first_live = 0;
  // That its history leads to; nullopt: there is none.
  std::optional<uint64_t> history_first_step = std::nullopt;
  // Blocks that are read from pieces before this one are on their way out.
  uint64_t history_first_piece = 0;
};

// Where blocks begin that are read from one image.
struct GroupStart {
  uint64_t base_step = 0;   // the first of them comes after this one
  uint64_t first_step = 0;  // that it leads to
  uint64_t spec = 0;        // the piece by which its steps were done
  size_t spec_bytes = 0;    // of that
};

// Some of a session's past, which goes as a whole: its blocks are read from one
// image, or from a few in a row.
struct PastGroup {
  using Time = std::chrono::system_clock::time_point;

  GroupStart start;
  uint64_t first_piece = 0;  // an image
  // All pieces up to this one are its own, but the session's present spec.
  uint64_t last_piece = 0;
  // Its last one. Where a large image came in parts it may stand among the
  // pieces of the next group, with which it goes.
  uint64_t last_block = 0;
  uint64_t last_step = 0;  // that its blocks lead to
  Time last_time = {};     // when that was handed over
  size_t bytes = 0;        // of its own pieces

  bool Has(uint64_t piece) const {
    return piece >= first_piece && piece <= last_piece;
  }
};

// What a session needs for its past alone, as groups: however much it is, this
// is bounded. As a plain value.
class Past {
 public:
  using Time = PastGroup::Time;

  // No more groups are told apart: where there are, two neighbours become one.
  static constexpr size_t kMostGroups = 256;

  // After all that there are.
  void Close(const PastGroup& group);
  // The last one has the pieces up to this one too, so many bytes.
  void GrowTo(uint64_t last_piece, size_t bytes);
  // Of the last one; 0: there is none.
  uint64_t last_block() const {
    return groups_.empty() ? 0 : groups_.back().last_block;
  }

  // Whether Trim would take anything.
  bool IsBeyond(const HistoryLimits& limits, uint64_t step, Time now) const;
  // Takes the groups beyond a limit, the oldest first.
  std::vector<PastGroup> Trim(const HistoryLimits& limits, uint64_t step,
                              Time now);
  // Takes what comes after that step, but for the rest of the group that leads
  // to it: that leads no further from here on.
  std::vector<PastGroup> CutAfter(uint64_t step);

  // The piece, which is no longer the present spec, is a group's own. False:
  // none has its number.
  bool Own(const StoredPiece& piece);
  void SetTimes(const std::function<Time(const PastGroup&)>& time_of);

  const std::vector<PastGroup>& groups() const { return groups_; }
  size_t bytes() const { return bytes_; }

 private:
  void JoinTwo();

  std::vector<PastGroup> groups_;  // oldest first
  size_t bytes_ = 0;               // of all
};

// The memory that a session's past takes at most, in numbers of 4 bytes: its
// groups, and the last block while it is short (short_block.h).
inline constexpr size_t kPastNumbers =
    (Past::kMostGroups * sizeof(PastGroup) + (size_t{32} << 10)) /
    sizeof(float);

// What a journal knows of a session's history.
struct History {
  bool begun = false;  // there is at least one block
  // Replaced, never changed. Never null.
  std::shared_ptr<const Past> past = std::make_shared<const Past>();
  // Of the blocks that are read from the session's present images.
  std::optional<GroupStart> present = std::nullopt;

  // nullopt: there is none.
  std::optional<uint64_t> first_step() const;
  // Whether steps that it leads to were done by that spec, and no other piece
  // tells of a spec in its place.
  bool NeedsSpec(uint64_t piece) const;
};

// Of a session that is loaded. time_of: when that block was handed over.
History HistoryOf(
    const StoredSession& stored, const HeadPieces& head,
    const std::function<PastGroup::Time(const PieceName& block)>& time_of);

// A block that history has.
struct LiveBlock {
  PieceName name;
  uint64_t last_step = 0;   // that it leads to: it may have been cut
  bool ends_group = false;  // no later block is read from the same image
};

// All of them of a session that is loaded, in order. Blocks of a life that is
// over, and those on their way out, are none.
std::vector<LiveBlock> LiveBlocks(std::span<const StoredPiece> pieces,
                                  const HeadPieces& head, uint64_t head_step);

// The one that leads to a step; nullopt: none does.
std::optional<PieceName> FindBlock(std::span<const LiveBlock> blocks,
                                   uint64_t step);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_HISTORY_H_
