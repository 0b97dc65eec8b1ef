// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/npy_writer.h"

#include "absl/strings/str_format.h"

namespace backprop::cli {

std::string NpyBytes(std::span<const float> values) {
  constexpr size_t kPreamble = 10;  // magic, version, length of the header
  constexpr size_t kAlignment = 64;
  std::string header = absl::StrFormat(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }",
      values.size());
  // Padded with blanks and ended by a line end, so that the data is aligned.
  const size_t unpadded = kPreamble + header.size() + 1;
  header.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  header.push_back('\n');
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes.push_back(static_cast<char>(header.size() & 0xff));
  bytes.push_back(static_cast<char>(header.size() >> 8));
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()),
               values.size_bytes());
  return bytes;
}

}  // namespace backprop::cli
