// SPDX-License-Identifier: Apache-2.0
#include "server/store/session_steps.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "server/store/piece_bytes.h"
#include "server/store/steps_form.h"
#include "server/store/zero_packing.h"

namespace backprop {
namespace {

constexpr size_t kStepAt = 2 * sizeof(uint8_t) + sizeof(uint64_t);
constexpr size_t kPartsAt = 2 * sizeof(uint8_t) + 5 * sizeof(uint64_t);

bool IsOneRow(std::span<const float> rows, size_t length) {
  const size_t others = rows.size_bytes() - length * sizeof(float);
  return std::memcmp(rows.data(), rows.data() + length, others) == 0;
}

}  // namespace

bool StepsRestore(const Layout& layout) {
  return layout.state_count() == 0 ||
         std::ranges::all_of(layout.layers(), [](const LayerLayout& layer) {
           return layer.form == DeltaForm::kFactored;
         });
}

StepsShape StepsShape::Of(const Layout& layout, ElementType element_type) {
  StepsShape shape{layout.delta_row_length(), layout.scalar_count(), 0,
                   ElementSize(element_type)};
  if (layout.layers().front().form == DeltaForm::kFactored &&
      __builtin_mul_overflow(layout.batch_size(), layout.input_size(),
                             &shape.inputs)) {
    shape.inputs = std::numeric_limits<size_t>::max();
  }
  return shape;
}

StepsWriter::StepsWriter(const Layout& layout, ElementType element_type,
                         uint64_t step)
    : shape_(StepsShape::Of(layout, element_type)) {
  StartAfter(step);
}

void StepsWriter::StartAfter(uint64_t step) {
  base_step_ = step_ = step;
  std::string().swap(piece_);  // a session that is idle has no memory in it
}

void StepsWriter::AppendHead() {
  AppendNumber(kStepsForm, &piece_);
  AppendNumber(static_cast<uint8_t>(shape_.element_size), &piece_);
  for (const uint64_t number :
       {base_step_, step_, uint64_t{shape_.row}, uint64_t{shape_.scalars},
        uint64_t{shape_.inputs}}) {
    AppendNumber(number, &piece_);
  }
}

void StepsWriter::AppendStep(const StepsPart& part, size_t t,
                             bool one_scalar_row) {
  PackZeros(part.rows.subspan(t * shape_.row, shape_.row), &piece_);
  if (!one_scalar_row) {
    PackZeros(part.scalars.subspan(t * shape_.scalars, shape_.scalars),
              &piece_);
  }
  if (shape_.inputs == 0) return;
  const size_t size =
      part.inputs_are_values ? sizeof(float) : shape_.element_size;
  const size_t bytes = shape_.inputs * size;
  PackZeros(part.inputs.substr(t * bytes, bytes), size, &piece_);
}

void StepsWriter::Append(const StepsPart& part) {
  const size_t steps = part.rows.size() / shape_.row;
  const size_t before = piece_.size();
  const bool one = shape_.scalars > 0 && IsOneRow(part.scalars, shape_.scalars);
  try {
    if (piece_.empty()) AppendHead();
    AppendNumber(
        static_cast<uint8_t>((part.inputs_are_values ? kInputsAreValues : 0) +
                             (one ? kOneScalarRow : 0)),
        &piece_);
    AppendNumber(static_cast<uint32_t>(steps), &piece_);
    if (one) PackZeros(part.scalars.first(shape_.scalars), &piece_);
    for (size_t t = 0; t < steps; ++t) AppendStep(part, t, one);
  } catch (const std::bad_alloc&) {
    piece_.resize(before);
    throw;
  }
  step_ += steps;
}

std::string StepsWriter::Take() {
  if (piece_.empty()) AppendHead();
  std::memcpy(piece_.data() + kStepAt, &step_, sizeof(step_));
  base_step_ = step_;
  return std::exchange(piece_, {});
}

std::string JoinSteps(std::string_view first, std::string_view second) {
  std::string piece;
  piece.reserve(first.size() + second.size() - kPartsAt);
  piece += first;
  piece += second.substr(kPartsAt);
  std::memcpy(piece.data() + kStepAt, second.data() + kStepAt,
              sizeof(uint64_t));
  return piece;
}

}  // namespace backprop
