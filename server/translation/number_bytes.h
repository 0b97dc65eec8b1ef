// SPDX-License-Identifier: Apache-2.0
//
// Rows of numbers in responses' bytes fields: little-endian float32.
#ifndef BACKPROP_SERVER_TRANSLATION_NUMBER_BYTES_H_
#define BACKPROP_SERVER_TRANSLATION_NUMBER_BYTES_H_

#include <cstddef>
#include <cstring>
#include <span>
#include <string>

namespace backprop {

inline void SetNumbers(std::span<const float> numbers, std::string* bytes) {
  bytes->assign(reinterpret_cast<const char*>(numbers.data()),
                numbers.size() * sizeof(float));
}

// The bytes field as that many numbers, to be written where they lie instead of
// being copied there; 0 until then. Valid while the field is left alone. A
// string's bytes are aligned for float wherever they lie: its own few are
// pointers' neighbours, the others come from operator new.
inline std::span<float> NumbersIn(std::string* bytes, size_t count) {
  bytes->resize(count * sizeof(float));
  return {reinterpret_cast<float*>(bytes->data()), count};
}

// Scalar rows of some steps, `length` numbers each: a single one where all hold
// the same bits, as TrainResponse.scalars allows. Nothing where length is 0.
inline void SetScalars(std::span<const float> rows, size_t length,
                       std::string* bytes) {
  if (rows.empty()) return;
  const size_t others = rows.size() - length;
  const bool equal = std::memcmp(rows.data(), rows.data() + length,
                                 others * sizeof(float)) == 0;
  SetNumbers(equal ? rows.first(length) : rows, bytes);
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_NUMBER_BYTES_H_
