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
