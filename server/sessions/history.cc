// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/history.h"

#include <algorithm>
#include <utility>

#include "server/store/restore.h"

namespace backprop {
namespace {

// In the order of numbers, which is that of steps.
std::vector<PieceName> BlocksOf(std::span<const StoredPiece> pieces) {
  std::vector<PieceName> blocks;
  for (const StoredPiece& piece : pieces) {
    if (piece.name.kind == PieceKind::kBlock) blocks.push_back(piece.name);
  }
  std::ranges::sort(blocks, {}, &PieceName::number);
  return blocks;
}

std::vector<StoredPiece> SpecsOf(std::span<const StoredPiece> pieces) {
  std::vector<StoredPiece> specs;
  for (const StoredPiece& piece : pieces) {
    if (piece.name.kind == PieceKind::kSpec) specs.push_back(piece);
  }
  std::ranges::sort(specs, {}, NumberOf);
  return specs;
}

// Of the specs before a block, the newest: by it the block's steps were done.
GroupStart StartOf(const PieceName& block, std::span<const StoredPiece> specs) {
  GroupStart start{.base_step = block.base_step,
                   .first_step = FirstStepOf(block)};
  const auto behind =
      std::ranges::lower_bound(specs, block.number, {}, NumberOf);
  if (behind == specs.begin()) return start;
  const StoredPiece& spec = *std::prev(behind);
  start.spec = spec.name.number;
  start.spec_bytes = spec.bytes;
  return start;
}

// pieces: by number. present_spec: is not counted.
size_t OwnBytes(std::span<const StoredPiece> pieces, const PastGroup& group,
                uint64_t present_spec) {
  size_t bytes = 0;
  for (auto piece =
           std::ranges::lower_bound(pieces, group.first_piece, {}, NumberOf);
       piece != pieces.end() && group.Has(piece->name.number); ++piece) {
    const bool is_own = piece->name.kind != PieceKind::kCheckpoint &&
                        piece->name.number != present_spec;
    if (is_own) bytes += piece->bytes;
  }
  return bytes;
}

bool GroupIsBeyond(const PastGroup& group, size_t bytes,
                   const HistoryLimits& limits, uint64_t step,
                   PastGroup::Time now) {
  return (limits.max_steps != 0 && group.last_step < step &&
          step - group.last_step >= limits.max_steps) ||
         (limits.max_age.count() != 0 &&
          now - group.last_time > limits.max_age) ||
         (limits.max_bytes != 0 && bytes > limits.max_bytes);
}

}  // namespace

void Past::Close(const PastGroup& group) {
  if (groups_.size() == kMostGroups) groups_.reserve(kMostGroups + 1);
  groups_.push_back(group);
  bytes_ += group.bytes;
  if (groups_.size() > kMostGroups) JoinTwo();
}

void Past::GrowTo(uint64_t last_piece, size_t bytes) {
  groups_.back().last_piece = last_piece;
  groups_.back().bytes += bytes;
  bytes_ += bytes;
}

// The two neighbours that are least of the past together, in bytes and in
// steps: so none comes to be much more of it than others. What lies between
// them, if anything, nobody needs.
void Past::JoinTwo() {
  const double bytes = static_cast<double>(std::max<size_t>(bytes_, 1));
  const double steps = static_cast<double>(std::max<uint64_t>(
      groups_.back().last_step - groups_.front().start.base_step, 1));
  const auto share = [&](size_t first) {
    const PastGroup& a = groups_[first];
    const PastGroup& b = groups_[first + 1];
    return static_cast<double>(a.bytes + b.bytes) / bytes +
           static_cast<double>(b.last_step - a.start.base_step) / steps;
  };
  size_t least = 0;
  for (size_t i = 1; i + 1 < groups_.size(); ++i) {
    if (share(i) < share(least)) least = i;
  }
  PastGroup& joined = groups_[least];
  const PastGroup next = groups_[least + 1];
  joined.last_piece = next.last_piece;
  joined.last_block = next.last_block;
  joined.last_step = next.last_step;
  joined.last_time = next.last_time;
  joined.bytes += next.bytes;
  groups_.erase(groups_.begin() + static_cast<ptrdiff_t>(least) + 1);
}

bool Past::IsBeyond(const HistoryLimits& limits, uint64_t step,
                    Time now) const {
  return !groups_.empty() &&
         GroupIsBeyond(groups_.front(), bytes_, limits, step, now);
}

std::vector<PastGroup> Past::Trim(const HistoryLimits& limits, uint64_t step,
                                  Time now) {
  auto stays = groups_.begin();
  for (; stays != groups_.end() &&
         GroupIsBeyond(*stays, bytes_, limits, step, now);
       ++stays) {
    bytes_ -= stays->bytes;
  }
  std::vector<PastGroup> gone(groups_.begin(), stays);
  groups_.erase(groups_.begin(), stays);
  return gone;
}

std::vector<PastGroup> Past::CutAfter(uint64_t step) {
  auto cut = std::ranges::find_if(groups_, [&](const PastGroup& group) {
    return group.start.base_step >= step;
  });
  if (cut == groups_.begin()) {
    bytes_ = 0;
    return std::exchange(groups_, {});
  }
  PastGroup& last = *std::prev(cut);
  last.last_step = std::min(last.last_step, step);
  // Its last blocks stand among that one's pieces, and are read from some.
  if (cut != groups_.end() && last.last_block > last.last_piece) {
    last.last_piece = cut->last_piece;
    last.bytes += cut->bytes;
    cut = groups_.erase(cut);
  }
  std::vector<PastGroup> gone(cut, groups_.end());
  for (const PastGroup& group : gone) bytes_ -= group.bytes;
  groups_.erase(cut, groups_.end());
  return gone;
}

bool Past::Own(const StoredPiece& piece) {
  for (PastGroup& group : groups_) {
    if (!group.Has(piece.name.number)) continue;
    group.bytes += piece.bytes;
    bytes_ += piece.bytes;
    return true;
  }
  return false;
}

void Past::SetTimes(const std::function<Time(const PastGroup&)>& time_of) {
  for (PastGroup& group : groups_) group.last_time = time_of(group);
}

std::optional<uint64_t> History::first_step() const {
  if (!past->groups().empty()) return past->groups().front().start.first_step;
  if (present.has_value()) return present->first_step;
  return std::nullopt;
}

bool History::NeedsSpec(uint64_t piece) const {
  return (present.has_value() && present->spec == piece) ||
         std::ranges::any_of(past->groups(), [&](const PastGroup& group) {
           return group.start.spec == piece || group.Has(piece);
         });
}

std::vector<LiveBlock> LiveBlocks(std::span<const StoredPiece> pieces,
                                  const HeadPieces& head, uint64_t head_step) {
  std::vector<LiveBlock> live;
  if (!head.history_first_step.has_value()) return live;
  uint64_t end = head_step;  // where the block behind begins
  const auto blocks = BlocksOf(pieces);
  for (auto it = blocks.rbegin(); it != blocks.rend(); ++it) {
    const PieceName& name = *it;
    if (name.first_number < head.history_first_piece) continue;
    if (FirstStepOf(name) > end) continue;  // of a life that is over
    live.push_back(
        {.name = name,
         .last_step = std::min(name.step, end),
         .ends_group = live.empty() ||
                       live.back().name.first_number != name.first_number});
    end = std::min(end, name.base_step);
  }
  std::ranges::reverse(live);
  return live;
}

std::optional<PieceName> FindBlock(std::span<const LiveBlock> blocks,
                                   uint64_t step) {
  for (const LiveBlock& block : blocks) {
    if (FirstStepOf(block.name) <= step && step <= block.last_step) {
      return block.name;
    }
  }
  return std::nullopt;
}

History HistoryOf(
    const StoredSession& stored, const HeadPieces& head,
    const std::function<PastGroup::Time(const PieceName& block)>& time_of) {
  const auto blocks = LiveBlocks(stored.pieces, head, stored.head.step);
  if (blocks.empty()) return {};
  History history{.begun = true};
  Past past;
  const auto specs = SpecsOf(stored.pieces);
  const uint64_t present_spec = SpecPieceOf(stored);
  for (auto first = blocks.begin(); first != blocks.end();) {
    const uint64_t image = first->name.first_number;
    const GroupStart start = StartOf(first->name, specs);
    if (image >= head.first_live) {
      history.present = start;
      break;
    }
    const auto last =
        std::ranges::find_if(first, blocks.end(), &LiveBlock::ends_group);
    first = std::next(last);
    const uint64_t next =
        first == blocks.end() ? head.first_live : first->name.first_number;
    PastGroup group{.start = start,
                    .first_piece = image,
                    .last_piece = std::min(last->name.number, next - 1),
                    .last_block = last->name.number,
                    .last_step = last->last_step};
    group.bytes = OwnBytes(stored.pieces, group, present_spec);
    past.Close(group);
  }
  past.SetTimes([&](const PastGroup& group) {
    return time_of(
        std::ranges::lower_bound(stored.pieces, group.last_block, {}, NumberOf)
            ->name);
  });
  history.past = std::make_shared<const Past>(std::move(past));
  return history;
}

}  // namespace backprop
