// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/journal.h"

#include <algorithm>
#include <new>
#include <utility>

#include "server/store/restore.h"
#include "server/store/session_image.h"

namespace backprop {
namespace {

// Of one image piece: some milliseconds of a disk.
constexpr size_t kPartBytes = size_t{4} << 20;
// An image up to this is handed over whole: copying it takes a millisecond or
// two.
constexpr size_t kWholeBytes = size_t{8} << 20;

}  // namespace

Journal::Journal(const SessionCodec& codec, const Layout& layout,
                 ElementType element_type)
    : codec_(codec),
      layout_(layout),
      epoch_(1),
      rows_(layout, element_type, 0),
      gathers_(false) {}

Journal::Journal(const SessionCodec& codec, const Layout& layout,
                 ElementType element_type, const StoredSession& stored)
    : codec_(codec),
      layout_(layout),
      epoch_(stored.head.epoch + 1),
      stored_{.epoch = stored.head.epoch,
              .step = stored.head.step,
              .pieces = stored.pieces,
              .has_image = true},
      rows_(layout, element_type, stored_.step),
      gathers_(StepsRestore(layout)) {
  for (const StoredPiece& piece : stored_.pieces) {
    next_piece_ = std::max(next_piece_, piece.name.number + 1);
  }
}

void Journal::AddSteps(size_t steps, const StepsPart& part) {
  steps_ += steps;
  if (!gathers_) return;
  try {
    rows_.Append(part);
  } catch (const std::bad_alloc&) {
    return StopGathering();
  }
  if (rows_.bytes() > ImageBytes()) StopGathering();
}

void Journal::StopGathering() {
  bytes_a_step_ = rows_.bytes() / steps_;
  rows_.StartAfter(0);
  gathers_ = false;
}

bool Journal::ShouldGather() const {
  return StepsRestore(layout_) && steps_ * bytes_a_step_ <= ImageBytes();
}

size_t Journal::ImageBytes() const {
  return (1 + layout_.state_count()) * layout_.weight_count() * sizeof(float);
}

size_t Journal::PartWeights() const {
  return kPartBytes / sizeof(float) / (1 + layout_.state_count());
}

size_t Journal::StoredStepsBytes() const {
  size_t bytes = 0;
  for (const StoredPiece& piece : stored_.pieces) {
    if (piece.name.kind == PieceKind::kSteps) bytes += piece.bytes;
  }
  return bytes;
}

bool Journal::StepsCover(uint64_t step) const {
  return stored_.has_image && gathers_ && stored_.step + steps_ == step;
}

SessionChange Journal::HandOver(const Moment& moment) {
  Stored before = stored_;
  try {
    return NextChange(moment);
  } catch (const std::bad_alloc&) {
    stored_ = std::move(before);
    rows_.StartAfter(0);
    gathers_ = false;
    throw;
  }
}

SessionChange Journal::NextChange(const Moment& moment) {
  const uint64_t step = moment.standing.progress.step;
  SessionChange change;
  change.head = {
      moment.birth.id, epoch_, step,
      codec_.EncodeHead(moment.birth, moment.standing, *moment.spec)};
  change.expected_epoch = stored_.epoch;
  PutSpec(moment, change);
  if (!stored_.has_image || step != stored_.step) PutNumbers(moment, change);
  stored_.epoch = epoch_;
  stored_.step = step;
  gathers_ = ShouldGather();
  rows_.StartAfter(step);
  steps_ = 0;
  return change;
}

SessionChange Journal::Erase(const std::string& id) const {
  SessionChange change;
  change.head.id = id;
  change.head.epoch = epoch_;
  change.expected_epoch = stored_.epoch;
  change.erase = true;
  return change;
}

void Journal::PutSpec(const Moment& moment, SessionChange& change) {
  const bool is_first = stored_.epoch != 0 && stored_.spec == nullptr;
  if (is_first) stored_.spec = moment.spec;
  if (stored_.spec == moment.spec) return;
  std::vector<uint64_t> before;
  for (const StoredPiece& each : stored_.pieces) {
    if (each.name.kind == PieceKind::kSpec) before.push_back(each.name.number);
  }
  Remove(before, change);
  Put({.kind = PieceKind::kSpec, .step = moment.standing.progress.step},
      codec_.EncodeSpec(*moment.spec, layout_), change);
  stored_.spec = moment.spec;
}

void Journal::PutNumbers(const Moment& moment, SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  if (!StepsCover(step)) return PutImage(moment, change);
  PutSteps(step, change);
  if (ImageBytes() > kWholeBytes) {
    PutImagePart(moment, change);
  } else if (StoredStepsBytes() > ImageBytes()) {
    PutImage(moment, change);
  }
}

void Journal::PutSteps(uint64_t step, SessionChange& change) {
  bytes_a_step_ = rows_.bytes() / steps_;
  Put({.kind = PieceKind::kSteps, .base_step = stored_.step, .step = step},
      rows_.Take(), change);
}

void Journal::PutImage(const Moment& moment, SessionChange& change) {
  Remove(Superseded(stored_.pieces, moment.standing.progress.step), change);
  const size_t size = layout_.weight_count();
  for (size_t first = 0; first < size; first += PartWeights()) {
    PutWeights(moment, first, std::min(PartWeights(), size - first), change);
  }
  stored_.has_image = true;
  stored_.next_weight = 0;
}

// Begins when the rows behind the image are longer than it, and goes on with
// each commit until the last part.
void Journal::PutImagePart(const Moment& moment, SessionChange& change) {
  if (stored_.next_weight == 0) {
    if (StoredStepsBytes() <= ImageBytes()) return;
    stored_.part_step = moment.standing.progress.step;
  }
  const size_t size = layout_.weight_count();
  const size_t count = std::min(PartWeights(), size - stored_.next_weight);
  PutWeights(moment, stored_.next_weight, count, change);
  stored_.next_weight += count;
  if (stored_.next_weight < size) return;
  stored_.next_weight = 0;
  Remove(Superseded(stored_.pieces, stored_.part_step), change);
}

void Journal::PutWeights(const Moment& moment, size_t first, size_t count,
                         SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  Put({.kind = PieceKind::kImage, .step = step, .first_number = first},
      ImagePiece({.step = step, .first = first, .count = count}, moment.weights,
                 moment.state),
      change);
}

void Journal::Put(PieceName name, std::string bytes, SessionChange& change) {
  name.number = next_piece_++;
  stored_.pieces.push_back({name, bytes.size()});
  change.put.push_back({name, std::move(bytes)});
}

void Journal::Remove(std::span<const uint64_t> numbers, SessionChange& change) {
  for (const uint64_t number : numbers) {
    const auto is_it = [&](const auto& each) {
      return each.name.number == number;
    };
    std::erase_if(stored_.pieces, is_it);
    // What this very change puts has not reached the store, and need not.
    if (std::erase_if(change.put, is_it) == 0) change.remove.push_back(number);
  }
}

}  // namespace backprop
