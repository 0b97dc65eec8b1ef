// SPDX-License-Identifier: Apache-2.0
//
// What a piece of an image says (PieceKind::kImage): some of a session's
// weights as they were after one step, exactly, and each optimiser's state
// vector's numbers of the same places. The update of a weight and its state
// depends on no other's (delta.proto (7)), so that pieces of a large image may
// each be of another step, and each is brought forward by the steps after its
// own (restore.h). A weight without its state could not be: each moves the
// other.
//
// The piece, numbers little-endian:
//   uint8   1, the form that is described here
//   uint64  step
//   uint64  first, count: it holds the weights first … first + count − 1
//   uint64  weights, vectors of state: how many the session has
//   those weights, then the same places of each vector of state, each of these
//   1 + vectors packed by itself (zero_packing.h)
#ifndef BACKPROP_SERVER_STORE_SESSION_IMAGE_H_
#define BACKPROP_SERVER_STORE_SESSION_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace backprop {

// Which weights with their state, and as they were after which step.
struct ImageRange {
  uint64_t step = 0;
  uint64_t first = 0;
  uint64_t count = 0;

  friend bool operator==(const ImageRange&, const ImageRange&) = default;
};

// All of a session's: weights (weight_count), state (state_count,
// weight_count). REQUIRES: the range lies within them.
std::string ImagePiece(const ImageRange& range, std::span<const float> weights,
                       std::span<const float> state);

// Checks the whole piece of a session of so many weights and vectors of state.
// DATA_LOSS says what is wrong.
absl::StatusOr<ImageRange> RangeOfImage(std::string_view piece,
                                        size_t weight_count,
                                        size_t state_count);

// Copies what it holds to its place in all of the session's. The piece is
// checked before anything is changed: DATA_LOSS says what is wrong.
absl::Status CopyImage(std::string_view piece, std::span<float> weights,
                       std::span<float> state);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SESSION_IMAGE_H_
