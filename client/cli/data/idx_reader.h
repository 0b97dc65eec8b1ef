// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_IDX_READER_H_
#define BACKPROP_CLIENT_CLI_DATA_IDX_READER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop::cli {

// An array of unsigned bytes in IDX, the format of MNIST: two zero bytes, the
// element type, the number of dimensions, each dimension as a big-endian
// 32-bit number, then the elements, the last dimension running fastest.
struct IdxArray {
  std::vector<size_t> dimensions;  // at least one, none is 0
  std::string elements;            // as many as the dimensions' product

  size_t rows() const { return dimensions.front(); }
  size_t row_size() const { return elements.size() / rows(); }
};

// bytes: a whole file's; name: for error texts. Trusts nothing in it.
absl::StatusOr<IdxArray> ParseIdx(std::string bytes, const std::string& name);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_IDX_READER_H_
