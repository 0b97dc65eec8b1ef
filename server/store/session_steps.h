// SPDX-License-Identifier: Apache-2.0
//
// What a piece of steps says (PieceKind::kSteps): all that moves the weights
// and the optimiser's state from one step to a later one by the delta contract
// (proto/backprop/v1/delta.proto), zeros left out (zero_packing.h).
//
//   StepsWriter writer(layout, format.element_type, session_step);
//   writer.Append({.rows = run.deltas, …});  // turn after turn
//   if (writer.bytes() < bytes_of_an_image) piece.bytes = writer.Take();
//   …
//   absl::StatusOr<uint64_t> step =
//       ApplySteps(piece.bytes, layout, format, /*after=*/at,
//                  /*until=*/head.step, weights, state);
//
// The piece, numbers little-endian:
//   uint8   1, the form that is described here
//   uint8   size of an element of inputs that came, 1 or 4
//   uint64  base_step: the steps come after this one
//   uint64  step: the last of them
//   uint64  numbers of a delta row, of a scalar row, and of a step's inputs (0
//           where the first layer is DENSE)
//   parts, each
//     uint8   1: inputs are float32 as the network saw them, else elements as
//             they came; + 2: all steps have one scalar row
//     uint32  steps, at least 1
//     the one scalar row
//     for each step its delta row; its scalar row, unless there is one; its
//     inputs. Each of these is packed by itself, what has no numbers is not
//     there at all.
#ifndef BACKPROP_SERVER_STORE_SESSION_STEPS_H_
#define BACKPROP_SERVER_STORE_SESSION_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/contract/input.h"
#include "engine/contract/layout.h"

namespace backprop {

// Whether such pieces bring back a session. False where an optimiser with state
// moves a DENSE layer: its steps bring D, but nothing of the state. Only images
// bring that back.
bool StepsRestore(const Layout& layout);

// Numbers of one step in a piece.
struct StepsShape {
  size_t row = 0;           // of its delta row
  size_t scalars = 0;       // of its scalar row
  size_t inputs = 0;        // elements, that is
  size_t element_size = 4;  // bytes of one that came

  static StepsShape Of(const Layout& layout, ElementType element_type);
  friend bool operator==(const StepsShape&, const StepsShape&) = default;
};

// Steps in a row, one at least, as a TrainRun has them.
struct StepsPart {
  std::span<const float> rows;     // (steps, layout.delta_row_length())
  std::span<const float> scalars;  // (steps, layout.scalar_count())
  // (steps, batch_size, input_size): elements as they came, or float32 as the
  // network saw them. Not read where the first layer is DENSE.
  std::string_view inputs;
  bool inputs_are_values = false;
};

// Collects the steps that a session does. As a plain value.
class StepsWriter {
 public:
  // step: the session's; the first that is appended is the next one.
  StepsWriter(const Layout& layout, ElementType element_type, uint64_t step);

  // On std::bad_alloc it is as it was before.
  void Append(const StepsPart& part);

  uint64_t base_step() const { return base_step_; }
  uint64_t step() const { return step_; }
  bool empty() const { return step_ == base_step_; }
  // Of the piece, as Take would give it; 0 while it has no steps.
  size_t bytes() const { return piece_.size(); }

  // The piece; from here on what comes after it is collected.
  std::string Take();
  // Forgets what was collected: the next step comes after this one. Needs no
  // memory.
  void StartAfter(uint64_t step);

 private:
  void AppendHead();
  void AppendStep(const StepsPart& part, size_t t, bool one_scalar_row);

  StepsShape shape_;
  uint64_t base_step_ = 0;
  uint64_t step_ = 0;
  std::string piece_;
};

// The piece that a writer would have made which had collected the steps of
// both, of which the second ones come after the first. REQUIRES: writers of one
// session made both.
std::string JoinSteps(std::string_view first, std::string_view second);

// Brings weights (weight_count) and state (state_count, weight_count) from step
// `after` to the piece's last step, but no further than `until`, and says to
// which. The layout is the session's with its rule, the format has what
// standardisation has learnt.
// The piece is checked whole before anything is changed: DATA_LOSS says what is
// wrong with it, or that it begins later than `after`. DATA_LOSS too for an
// input that is not finite; weights and state are then unspecified.
// REQUIRES: StepsRestore(layout).
absl::StatusOr<uint64_t> ApplySteps(std::string_view piece,
                                    const Layout& layout,
                                    const InputFormat& format, uint64_t after,
                                    uint64_t until, std::span<float> weights,
                                    std::span<float> state);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SESSION_STEPS_H_
