// SPDX-License-Identifier: Apache-2.0
//
// The JSON header of a safetensors file.
#ifndef BACKPROP_ENGINE_INTERCHANGE_TENSOR_HEADER_H_
#define BACKPROP_ENGINE_INTERCHANGE_TENSOR_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop {

// What the header says of a tensor.
struct TensorEntry {
  std::string name;
  std::string dtype = {};
  std::vector<uint64_t> shape = {};
  std::vector<uint64_t> offsets = {};  // begin and end of its data
};

struct TensorHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> entries = {};  // as they stand there; no name twice
};

// Checks the form: each entry has a dtype, a shape and two offsets, and nothing
// else. What these say is not looked at. Fails with DATA_LOSS.
absl::StatusOr<TensorHeader> ParseTensorHeader(std::string_view json);

// Without padding.
std::string TensorHeaderJson(const TensorHeader& header);

// A text from a file as it may stand in a message: printable, not too long, in
// quotes.
std::string Quoted(std::string_view text);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_INTERCHANGE_TENSOR_HEADER_H_
