// SPDX-License-Identifier: Apache-2.0
//
// Numbers at the head of a piece: little-endian, close together.
#ifndef BACKPROP_SERVER_STORE_PIECE_BYTES_H_
#define BACKPROP_SERVER_STORE_PIECE_BYTES_H_

#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace backprop {

static_assert(std::endian::native == std::endian::little,
              "pieces are little-endian and are copied as such");

template <class T>
void AppendNumber(T number, std::string* piece) {
  static_assert(std::is_integral_v<T>);
  piece->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// Takes a number off the front of *rest; false where it is too short.
template <class T>
bool TakeNumber(std::string_view* rest, T* number) {
  static_assert(std::is_integral_v<T>);
  if (rest->size() < sizeof(*number)) return false;
  std::memcpy(number, rest->data(), sizeof(*number));
  rest->remove_prefix(sizeof(*number));
  return true;
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_PIECE_BYTES_H_
