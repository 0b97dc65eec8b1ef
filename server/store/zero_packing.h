// SPDX-License-Identifier: Apache-2.0
//
// Numbers of which many are zero, kept short: factors of dead units, pixels of
// an image's background, optimiser state that no gradient has fed.
//
// An element is left out where all of its bits are 0; −0.0 is kept. Packed
// elements have a known count, which is not written down. They come in blocks
// of kPackedBlock, the last of which may be shorter. A block is
//   0, then its elements as they are; or, where that is shorter,
//   1, then ⌈elements / 8⌉ bytes, bit i % 8 of byte i / 8 of which is 1 where
//   element i is there and 0 where it is zero, then those that are there.
//
//   PackZeros(bytes, sizeof(float), &piece);
//   …
//   std::string_view rest = piece;
//   if (!UnpackZeros(&rest, sizeof(float), bytes)) return TornPiece();
#ifndef BACKPROP_SERVER_STORE_ZERO_PACKING_H_
#define BACKPROP_SERVER_STORE_ZERO_PACKING_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace backprop {

inline constexpr size_t kPackedBlock = 4096;

// Appends the elements. element_size: 1 or 4 bytes; elements: a multiple of it,
// any alignment.
void PackZeros(std::string_view elements, size_t element_size,
               std::string* packed);
void PackZeros(std::span<const float> numbers, std::string* packed);

// Takes as many elements off the front of *packed. False where it holds no such
// elements; `elements` and *packed are then unspecified, and nothing outside
// them was touched.
bool UnpackZeros(std::string_view* packed, size_t element_size,
                 std::span<char> elements);
bool UnpackZeros(std::string_view* packed, std::span<float> numbers);

// The same without a look at the elements. bytes: theirs when unpacked.
bool SkipZeros(std::string_view* packed, size_t element_size, size_t bytes);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_ZERO_PACKING_H_
