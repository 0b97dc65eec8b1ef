// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/gathered_steps.h"

#include <algorithm>
#include <new>
#include <utility>

#include "server/sessions/image_writer.h"

namespace backprop {
namespace {

// With history, rows that wait for a commit: beyond that the disk can't follow.
constexpr size_t kMostRowBytes = size_t{64} << 20;

}  // namespace

GatheredSteps::GatheredSteps(const Layout& layout, ElementType element_type)
    : GatheredSteps(layout, element_type, 0) {
  gathers_ = false;
}

GatheredSteps::GatheredSteps(const Layout& layout, ElementType element_type,
                             uint64_t step)
    : restore_(StepsRestore(layout)),
      image_bytes_(ImageBytes(layout)),
      rows_(layout, element_type, step),
      gathers_(restore_) {}

bool GatheredSteps::Begin(const std::shared_ptr<const SessionSpec>& spec,
                          const DoneRequests& requests) {
  limits_ = spec->history;
  if (!limits_.any()) blocks_.Tear();
  if (!gathers_ || blocks_.torn()) return true;
  blocks_.See(requests);
  return blocks_.GoesOn(spec);
}

void GatheredSteps::BeginBlock(const std::shared_ptr<const SessionSpec>& spec,
                               std::string head, const DoneRequests& requests) {
  blocks_.MakeRoom();
  if (blocks_.has_steps()) blocks_.End(TakeRows());
  blocks_.Begin(spec, std::move(head), requests);
}

void GatheredSteps::Add(const StepsPart& part, std::span<const float> errors) {
  count_ += errors.size();
  if (!gathers_) return;
  bool is_held = true;
  try {
    rows_.Append(part);
    blocks_.AddErrors(errors);
  } catch (const std::bad_alloc&) {
    is_held = false;
  }
  if (is_held && bytes() <= MostBytes()) return;
  NoteBytesAStep();
  LetGo();
}

size_t GatheredSteps::MostBytes() const {
  return limits_.any() ? std::max(kMostRowBytes, image_bytes_) : image_bytes_;
}

std::vector<BlockWriter::Ended> GatheredSteps::TakeBlocks(
    const DoneRequests& requests) {
  NoteBytesAStep();
  blocks_.See(requests);
  if (blocks_.has_steps()) blocks_.End(TakeRows());
  return blocks_.Take();
}

StepsRows GatheredSteps::TakeRows() {
  StepsRows rows{.base_step = rows_.base_step(), .step = rows_.step()};
  rows.bytes = rows_.Take();
  return rows;
}

void GatheredSteps::StartAfter(uint64_t step, const HistoryLimits& limits) {
  gathers_ =
      restore_ && (limits.any() || count_ * bytes_a_step_ <= image_bytes_);
  rows_.StartAfter(step);
  blocks_.Clear();
  count_ = 0;
}

void GatheredSteps::LetGo() {
  rows_.StartAfter(0);
  blocks_.Clear();
  blocks_.Tear();
  gathers_ = false;
}

}  // namespace backprop
