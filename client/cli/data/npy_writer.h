// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_NPY_WRITER_H_
#define BACKPROP_CLIENT_CLI_DATA_NPY_WRITER_H_

#include <span>
#include <string>

namespace backprop::cli {

// A file that numpy.load reads as a one-dimensional float32 array (NEP 1,
// version 1.0 of the format).
std::string NpyBytes(std::span<const float> values);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_NPY_WRITER_H_
