// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_FLOAT_BYTES_H_
#define BACKPROP_TESTS_FLOAT_BYTES_H_

#include <string>
#include <vector>

namespace backprop::testing {

// Little-endian float32.
inline std::string Bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof(float)};
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_FLOAT_BYTES_H_
