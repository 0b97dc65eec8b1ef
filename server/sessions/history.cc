// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/history.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "server/store/restore.h"

namespace backprop {
namespace {

constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

// In the order of numbers, which is that of steps.
std::vector<const PieceName*> BlocksOf(std::span<const StoredPiece> pieces) {
  std::vector<const PieceName*> blocks;
  for (const StoredPiece& piece : pieces) {
    if (piece.name.kind == PieceKind::kBlock) blocks.push_back(&piece.name);
  }
  std::ranges::sort(blocks, {},
                    [](const PieceName* block) { return block->number; });
  return blocks;
}

// Of those before that block, the newest: by it the block's steps were done.
// 0: none.
uint64_t SpecBefore(std::span<const StoredPiece> pieces, uint64_t block) {
  uint64_t spec = 0;
  for (const auto& [name, bytes] : pieces) {
    if (name.kind == PieceKind::kSpec && name.number < block) {
      spec = std::max(spec, name.number);
    }
  }
  return spec;
}

}  // namespace

void PastPieces::Add(const StoredPiece& piece) {
  pieces_.push_back(piece);
  bytes_ += piece.bytes;
}

template <class Goes>
std::vector<StoredPiece> PastPieces::Take(Goes goes) {
  std::vector<StoredPiece> taken;
  std::vector<StoredPiece> left;
  for (const StoredPiece& piece : pieces_) {
    (goes(piece.name) ? taken : left).push_back(piece);
  }
  for (const StoredPiece& piece : taken) bytes_ -= piece.bytes;
  pieces_ = std::move(left);
  return taken;
}

bool PastPieces::GroupIsBeyond(const Group& group, const HistoryLimits& limits,
                               uint64_t step, Time now) const {
  return (limits.max_steps != 0 && group.last_step < step &&
          step - group.last_step >= limits.max_steps) ||
         (limits.max_age.count() != 0 &&
          now - group.last_time > limits.max_age) ||
         (limits.max_bytes != 0 && bytes_ > limits.max_bytes);
}

std::vector<StoredPiece> PastPieces::Trim(const HistoryLimits& limits,
                                          uint64_t step, Time now,
                                          const Present& present) {
  std::vector<StoredPiece> gone;
  while (IsBeyond(limits, step, now)) {
    groups_.erase(groups_.begin());
    const uint64_t first_piece =
        groups_.empty() ? present.first_piece : groups_.front().first_piece;
    uint64_t first_block = present.first_block;
    for (const auto& [name, bytes] : pieces_) {
      if (name.kind == PieceKind::kBlock && name.first_number >= first_piece) {
        first_block = std::min(first_block, name.number);
      }
    }
    const uint64_t first_spec = SpecBefore(pieces_, first_block);
    const auto taken = Take([&](const PieceName& name) {
      if (name.kind == PieceKind::kSpec) {
        return name.number < first_spec || first_block == kNone;
      }
      return (name.kind == PieceKind::kBlock ? name.first_number
                                             : name.number) < first_piece;
    });
    gone.insert(gone.end(), taken.begin(), taken.end());
  }
  return gone;
}

std::vector<StoredPiece> PastPieces::CutAfter(uint64_t step) {
  std::erase_if(groups_, [&](const Group& group) {
    return std::ranges::none_of(pieces_, [&](const StoredPiece& piece) {
      return piece.name.kind == PieceKind::kBlock &&
             piece.name.first_number == group.first_piece &&
             piece.name.base_step < step;
    });
  });
  for (Group& group : groups_) {
    group.last_step = std::min(group.last_step, step);
  }
  return Take([&](const PieceName& name) {
    const bool has_steps =
        name.kind == PieceKind::kBlock || name.kind == PieceKind::kSteps;
    return groups_.empty() || (has_steps ? name.base_step : name.step) >= step;
  });
}

std::optional<uint64_t> History::first_step() const {
  return past->groups().empty() ? present_first_step
                                : past->groups().front().first_step;
}

History HistoryOf(
    const StoredSession& stored, uint64_t first_live_piece,
    const std::function<PastPieces::Time(const PieceName& block)>& time_of) {
  const auto blocks = BlocksOf(stored.pieces);
  if (blocks.empty()) return {};
  History history{.begun = true};
  PastPieces past;
  const uint64_t first_piece = blocks.front()->first_number;
  const uint64_t present_spec = SpecPieceOf(stored);
  for (const StoredPiece& piece : stored.pieces) {
    const PieceName& name = piece.name;
    bool is_past = false;
    if (name.kind == PieceKind::kSpec) {
      is_past = name.number < present_spec;
    } else if (name.kind == PieceKind::kBlock) {
      is_past = name.first_number < first_live_piece;
    } else if (name.kind != PieceKind::kCheckpoint) {
      is_past = name.number >= first_piece && name.number < first_live_piece;
    }
    if (is_past) past.Add(piece);
  }
  std::optional<PastPieces::Group> group;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const PieceName& block = *blocks[i];
    if (block.first_number >= first_live_piece) {
      history.present_first_step = FirstStepOf(block);
      break;
    }
    if (!group.has_value()) {
      group = {.first_piece = block.first_number,
               .first_step = FirstStepOf(block)};
    }
    const uint64_t end =
        i + 1 == blocks.size() ? stored.head.step : blocks[i + 1]->base_step;
    group->last_step = std::min(block.step, end);
    const bool is_last = i + 1 == blocks.size() ||
                         blocks[i + 1]->first_number != block.first_number;
    if (!is_last) continue;
    group->last_time = time_of(block);
    past.Close(*std::exchange(group, std::nullopt));
  }
  history.past = std::make_shared<const PastPieces>(std::move(past));
  return history;
}

std::vector<BlockEnd> BlockEnds(std::span<const StoredPiece> pieces,
                                uint64_t head_step) {
  std::vector<BlockEnd> ends;
  const auto blocks = BlocksOf(pieces);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool is_last = i + 1 == blocks.size();
    const uint64_t next = is_last ? head_step : blocks[i + 1]->base_step;
    ends.push_back({.step = std::min(blocks[i]->step, next),
                    .ends_group = is_last || blocks[i + 1]->first_number !=
                                                 blocks[i]->first_number,
                    .block = blocks[i]});
  }
  return ends;
}

const PieceName* FindBlock(std::span<const StoredPiece> pieces,
                           uint64_t head_step, uint64_t step) {
  const PieceName* found = nullptr;
  uint64_t end = head_step;
  const auto blocks = BlocksOf(pieces);
  for (auto it = blocks.rbegin(); it != blocks.rend(); ++it) {
    const PieceName& block = **it;
    if (FirstStepOf(block) <= step && step <= std::min(end, block.step)) {
      found = &block;
    }
    end = std::min(end, block.base_step);
  }
  return found;
}

}  // namespace backprop
