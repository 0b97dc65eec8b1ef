// SPDX-License-Identifier: Apache-2.0
//
// ApplySteps of session_steps.h: reads what StepsWriter wrote.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/contract/delta.h"
#include "server/store/piece_bytes.h"
#include "server/store/session_steps.h"
#include "server/store/steps_form.h"
#include "server/store/zero_packing.h"

namespace backprop {
namespace {

// What a session has no more numbers of in a step.
constexpr size_t kMostStepNumbers = std::numeric_limits<size_t>::max() / 64;

// Weights are read once for a block of steps, whose rows stay in the
// second-level cache.
constexpr size_t kBlockSteps = 64;
constexpr size_t kBlockNumbers = size_t{128} * 1024;

struct StepsHead {
  uint64_t base_step = 0;
  uint64_t step = 0;
};

// Where a step's numbers go.
struct StepNumbers {
  std::span<float> row;
  std::span<float> scalars;
  std::span<float> inputs;
};

absl::Status BadSteps(const std::string& what) {
  return absl::DataLossError(absl::StrCat("stored steps: ", what));
}

// Takes the head off the front of *rest.
bool TakeHead(std::string_view* rest, StepsHead* head, StepsShape* shape) {
  uint8_t form = 0;
  uint8_t element_size = 0;
  uint64_t row = 0;
  uint64_t scalars = 0;
  uint64_t inputs = 0;
  if (!TakeNumber(rest, &form) || form != kStepsForm ||
      !TakeNumber(rest, &element_size) || !TakeNumber(rest, &head->base_step) ||
      !TakeNumber(rest, &head->step) || !TakeNumber(rest, &row) ||
      !TakeNumber(rest, &scalars) || !TakeNumber(rest, &inputs)) {
    return false;
  }
  *shape = {row, scalars, inputs, element_size};
  return true;
}

// Goes through a piece's steps.
class StepsCursor {
 public:
  // parts: the piece without its head.
  StepsCursor(std::string_view parts, const StepsShape& shape)
      : rest_(parts), shape_(shape), scalar_row_(shape.scalars) {}

  bool AtEnd() const { return left_ == 0 && rest_.empty(); }

  // Passes a step. False: there is none, or it is torn.
  bool Skip() {
    if (!EnterPart()) return false;
    --left_;
    return SkipZeros(&rest_, sizeof(float), shape_.row * sizeof(float)) &&
           (one_scalar_row_ ||
            SkipZeros(&rest_, sizeof(float), shape_.scalars * sizeof(float))) &&
           SkipZeros(&rest_, input_size_, shape_.inputs * input_size_);
  }

  // Reads a step that Skip would pass. False: an input is not finite.
  bool Read(const InputFormat& format, const StepNumbers& to) {
    if (!EnterPart()) return false;
    --left_;
    if (!UnpackZeros(&rest_, to.row)) return false;
    if (one_scalar_row_) {
      std::copy(scalar_row_.begin(), scalar_row_.end(), to.scalars.begin());
    } else if (!UnpackZeros(&rest_, to.scalars)) {
      return false;
    }
    if (shape_.inputs == 0) return true;
    elements_.resize(shape_.inputs * input_size_);
    return UnpackZeros(&rest_, input_size_, elements_) &&
           ConvertInputs(inputs_are_values_ ? kAsTheyAre : format,
                         {elements_.data(), elements_.size()}, to.inputs);
  }

 private:
  static inline const InputFormat kAsTheyAre;

  // Makes sure that the next step's part has been begun.
  bool EnterPart() {
    if (left_ > 0) return true;
    uint8_t kind = 0;
    if (!TakeNumber(&rest_, &kind) || !TakeNumber(&rest_, &left_) ||
        left_ == 0 || kind > (kInputsAreValues | kOneScalarRow)) {
      return false;
    }
    inputs_are_values_ = (kind & kInputsAreValues) != 0;
    one_scalar_row_ = (kind & kOneScalarRow) != 0;
    input_size_ = inputs_are_values_ ? sizeof(float) : shape_.element_size;
    return !one_scalar_row_ || UnpackZeros(&rest_, scalar_row_);
  }

  std::string_view rest_;
  const StepsShape shape_;
  // Of the part.
  uint32_t left_ = 0;  // steps
  bool inputs_are_values_ = false;
  bool one_scalar_row_ = false;
  size_t input_size_ = sizeof(float);  // bytes of an element
  std::vector<float> scalar_row_;      // if one_scalar_row_

  std::vector<char> elements_;  // of a step's inputs
};

// Reads the whole piece.
absl::StatusOr<StepsHead> CheckSteps(std::string_view piece,
                                     const StepsShape& expected) {
  StepsHead head;
  StepsShape shape;
  if (!TakeHead(&piece, &head, &shape)) {
    return BadSteps("the head is torn or of a form that is not known");
  }
  if (shape != expected) return BadSteps("they are of another network");
  if (shape.row > kMostStepNumbers || shape.inputs > kMostStepNumbers) {
    return BadSteps("a step is too large");
  }
  if (head.step < head.base_step) return BadSteps("they end before they begin");
  StepsCursor cursor(piece, shape);
  for (uint64_t step = head.base_step; step < head.step; ++step) {
    if (!cursor.Skip()) {
      return BadSteps(absl::StrCat("step ", step + 1, " is torn"));
    }
  }
  if (!cursor.AtEnd()) {
    return BadSteps(absl::StrCat("more follows on step ", head.step));
  }
  return head;
}

// Room for the numbers of some steps, each kind's close together.
class StepsBlock {
 public:
  StepsBlock(const StepsShape& shape, size_t steps)
      : shape_(shape),
        rows_(steps * shape.row),
        scalars_(steps * shape.scalars),
        inputs_(steps * shape.inputs) {}

  // Reads the cursor's next `steps`; returns how many were whole.
  size_t Read(StepsCursor& cursor, const InputFormat& format, size_t steps) {
    for (size_t t = 0; t < steps; ++t) {
      const StepNumbers step{
          std::span(rows_).subspan(t * shape_.row, shape_.row),
          std::span(scalars_).subspan(t * shape_.scalars, shape_.scalars),
          std::span(inputs_).subspan(t * shape_.inputs, shape_.inputs)};
      if (!cursor.Read(format, step)) return t;
    }
    return steps;
  }

  // As ApplyDeltas wants the first `steps` of them.
  StepDelta First(uint64_t number, size_t steps) const {
    return {number, std::span(rows_).first(steps * shape_.row),
            std::span(inputs_).first(steps * shape_.inputs),
            std::span(scalars_).first(steps * shape_.scalars)};
  }

 private:
  const StepsShape shape_;
  std::vector<float> rows_;
  std::vector<float> scalars_;
  std::vector<float> inputs_;
};

size_t StepsAtOnce(const StepsShape& shape) {
  return std::clamp<size_t>(
      kBlockNumbers / (shape.row + shape.scalars + shape.inputs), 1,
      kBlockSteps);
}

}  // namespace

absl::StatusOr<uint64_t> ApplySteps(std::string_view piece,
                                    const Layout& layout,
                                    const InputFormat& format, uint64_t after,
                                    uint64_t until, std::span<float> weights,
                                    std::span<float> state) {
  StepsShape shape = StepsShape::Of(layout, format.element_type);
  const absl::StatusOr<StepsHead> head = CheckSteps(piece, shape);
  if (!head.ok()) return head.status();
  if (head->base_step > after) {
    return BadSteps(absl::StrCat("they begin after step ", head->base_step,
                                 ", what comes after step ", after,
                                 " is missing"));
  }
  const uint64_t last = std::min(until, head->step);
  if (last <= after) return after;
  StepsHead again;
  TakeHead(&piece, &again, &shape);
  StepsCursor cursor(piece, shape);
  for (uint64_t step = head->base_step; step < after; ++step) cursor.Skip();
  const auto most =
      static_cast<size_t>(std::min<uint64_t>(last - after, StepsAtOnce(shape)));
  StepsBlock block(shape, most);
  for (uint64_t step = after; step < last;) {
    const auto steps =
        static_cast<size_t>(std::min<uint64_t>(last - step, most));
    if (const size_t read = block.Read(cursor, format, steps); read < steps) {
      return BadSteps(
          absl::StrCat("an input of step ", step + read + 1, " is not finite"));
    }
    ApplyDeltas(layout, block.First(step + 1, steps), steps, weights, state);
    step += steps;
  }
  return last;
}

}  // namespace backprop
