// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/removals.h"

#include <algorithm>

namespace backprop {
namespace {

// But for the numbers that stay, in order.
void AddApart(PieceRange range, const std::vector<uint64_t>& stay,
              SessionChange& change) {
  for (auto it = std::ranges::lower_bound(stay, range.first);
       it != stay.end() && *it <= range.last; ++it) {
    if (range.first < *it) {
      change.remove_ranges.push_back(
          {range.first, *it - 1, range.blocks_alone});
    }
    range.first = *it + 1;
  }
  if (range.first <= range.last) change.remove_ranges.push_back(range);
}

// Of what is held the blocks alone go.
void AddUnheld(uint64_t first, uint64_t last, const HeldPieces& held,
               const std::vector<uint64_t>& stay, SessionChange& change) {
  for (const auto& [held_first, held_last] : held.ranges()) {
    if (held_last < first) continue;
    if (held_first > last) break;
    if (first < held_first) AddApart({first, held_first - 1}, stay, change);
    AddApart({std::max(first, held_first), std::min(last, held_last), true},
             stay, change);
    first = held_last + 1;
  }
  if (first <= last) AddApart({first, last}, stay, change);
}

size_t BytesPut(const SessionChange& change) {
  size_t bytes = 0;
  for (const Piece& piece : change.put) bytes += piece.bytes.size();
  return bytes;
}

// What was owed twice is removed once.
void SetApart(std::vector<PieceRange>& ranges) {
  std::ranges::sort(ranges, {}, &PieceRange::first);
  uint64_t next = 0;
  for (PieceRange& range : ranges) {
    range.first = std::max(range.first, next);
    next = std::max(next, range.last + 1);
  }
  std::erase_if(
      ranges, [](const PieceRange& range) { return range.first > range.last; });
}

void ForgetPut(SessionChange& change) {
  std::erase_if(change.put, [&](const Piece& piece) {
    return std::ranges::any_of(
        change.remove_ranges,
        [&](const PieceRange& range) { return range.Has(piece.name); });
  });
}

}  // namespace

void Removals::Owe(uint64_t first, uint64_t last, size_t bytes) {
  if (first > last) return;
  if (!owed_.empty() && owed_.back().last + 1 == first) {
    return OweOn(last, bytes);
  }
  owed_.push_back({first, last, bytes});
}

void Removals::OweOn(uint64_t last, size_t bytes) {
  owed_.back().last = last;
  owed_.back().bytes += bytes;
}

void Removals::Take(const HeldPieces& held, std::vector<uint64_t> stay,
                    SessionChange& change) {
  size_t numbers = std::max(kMostNumbers, 2 * change.put.size());
  size_t bytes = std::max(kMostBytes, 2 * BytesPut(change));
  stay.insert(stay.end(), change.remove.begin(), change.remove.end());
  std::ranges::sort(stay);
  while (any() && numbers > 0 && bytes > 0) {
    Owed& next = owed_.front();
    const uint64_t there = next.last - next.first + 1;
    const size_t each = next.bytes / there;
    uint64_t count = std::min<uint64_t>(there, numbers);
    if (each > 0) count = std::min<uint64_t>(count, bytes / each + 1);
    const size_t part = count == there ? next.bytes : each * count;
    AddUnheld(next.first, next.first + count - 1, held, stay, change);
    change.remove_bytes += part;
    numbers -= count;
    bytes -= std::min(bytes, part);
    next.first += count;
    next.bytes -= part;
    if (count == there) owed_.erase(owed_.begin());
  }
  SetApart(change.remove_ranges);
  ForgetPut(change);
}

}  // namespace backprop
