// SPDX-License-Identifier: Apache-2.0
//
// Hugging Face's safetensors format, as far as float32 goes: the file that
// PyTorch, JAX, NumPy and others read without running code. It is
//
//   8 bytes   length of the header, little-endian
//   header    JSON: {"__metadata__": {text: text, …},
//                    tensor's name: {"dtype": "F32", "shape": [rows, columns],
//                                    "data_offsets": [begin, end]}, …}
//             padded with blanks to a multiple of 8
//   data      the tensors' numbers, row-major, little-endian, without gaps;
//             offsets count from here
//
// What is read is believed in nothing: all that the format promises is checked,
// also what lenient readers let pass, such as a key that stands there twice.
#ifndef BACKPROP_ENGINE_INTERCHANGE_SAFETENSORS_H_
#define BACKPROP_ENGINE_INTERCHANGE_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop {

struct Tensor {
  std::string name;
  std::vector<uint64_t> shape;  // outermost first; empty: one number
  // 4 bytes for each number of the shape, somebody else's, aligned for nothing.
  std::string_view bytes;
};

struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::vector<Tensor> tensors = {};  // in the order of their data
};

// The file's bytes. Names, which must be UTF-8, as metadata must, may stand
// there once.
std::string SafetensorsBytes(const TensorFile& file);

// The tensors point into bytes. Allocates in proportion to the header, of which
// there are at most 100 MB, whatever that says. Fails with DATA_LOSS, saying
// what is wrong in which tensor and, of a file that was cut off, how much is
// missing; with INVALID_ARGUMENT where the file is sound, but holds a tensor of
// other numbers than float32.
absl::StatusOr<TensorFile> ParseSafetensors(std::string_view bytes);

// "[128, 784]".
std::string ShapeText(const std::vector<uint64_t>& shape);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_INTERCHANGE_SAFETENSORS_H_
