// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/checkpoint.h"

#include <algorithm>

namespace backprop {

void HeldPieces::Add(const Checkpoint& checkpoint) {
  ranges_.emplace_back(checkpoint.first_piece, checkpoint.last_piece);
  specs_.push_back(checkpoint.spec_piece);
}

void HeldPieces::Sort() {
  std::ranges::sort(ranges_);
  std::ranges::sort(specs_);
  size_t count = 0;  // of ranges that are apart
  for (const auto& range : ranges_) {
    if (count > 0 && range.first <= ranges_[count - 1].second) {
      uint64_t& last = ranges_[count - 1].second;
      last = std::max(last, range.second);
    } else {
      ranges_[count++] = range;
    }
  }
  ranges_.resize(count);
}

bool HeldPieces::Has(PieceKind kind, uint64_t number) const {
  if (kind == PieceKind::kSpec) {
    return std::ranges::binary_search(specs_, number);
  }
  if (kind == PieceKind::kCheckpoint || kind == PieceKind::kBlock) {
    return false;
  }
  const auto behind = std::ranges::upper_bound(
      ranges_, number, {}, [](const auto& range) { return range.first; });
  return behind != ranges_.begin() && number <= std::prev(behind)->second;
}

const CheckpointSet::Entry* CheckpointSet::Find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<std::shared_ptr<const Checkpoint>> CheckpointSet::List(
    const std::string& after, size_t count) const {
  std::vector<std::shared_ptr<const Checkpoint>> page;
  for (auto it = entries_.upper_bound(after);
       it != entries_.end() && page.size() < count; ++it) {
    page.push_back(it->second.checkpoint);
  }
  return page;
}

void CheckpointSet::Put(Entry entry) {
  const std::string& name = entry.checkpoint->name;
  entries_.insert_or_assign(name, entry);
}

std::vector<const Checkpoint*> CheckpointSet::Passing() const {
  uint64_t newest = 0;
  for (const auto& [name, entry] : entries_) {
    newest = std::max(newest, entry.checkpoint->order);
  }
  std::vector<const Checkpoint*> passing;
  for (const auto& [name, entry] : entries_) {
    const Checkpoint& each = *entry.checkpoint;
    if (each.pinned || !each.expire_time.has_value()) continue;
    if (each.order != newest) passing.push_back(&each);
  }
  return passing;
}

std::vector<std::string> CheckpointSet::Expired(Checkpoint::Time now) const {
  std::vector<std::string> names;
  for (const Checkpoint* const each : Passing()) {
    if (*each->expire_time <= now) names.push_back(each->name);
  }
  return names;
}

Checkpoint::Time CheckpointSet::NextExpiry() const {
  auto next = Checkpoint::Time::max();
  for (const Checkpoint* const each : Passing()) {
    next = std::min(next, *each->expire_time);
  }
  return next;
}

HeldPieces CheckpointSet::Held() const {
  HeldPieces held;
  for (const auto& [name, entry] : entries_) held.Add(*entry.checkpoint);
  held.Sort();
  return held;
}

}  // namespace backprop
