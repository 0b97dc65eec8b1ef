// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/idx_reader.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace backprop::cli {
namespace {

constexpr unsigned char kUnsignedByte = 0x08;
constexpr size_t kMagicBytes = 4;

size_t BigEndian32(const std::string& bytes, size_t at) {
  size_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

}  // namespace

absl::StatusOr<IdxArray> ParseIdx(std::string bytes, const std::string& name) {
  if (bytes.size() < kMagicBytes || bytes[0] != 0 || bytes[1] != 0 ||
      bytes[3] == 0) {
    return absl::InvalidArgumentError(
        name + " is not an IDX file (its first two bytes are not 0)");
  }
  if (static_cast<unsigned char>(bytes[2]) != kUnsignedByte) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s holds IDX elements of type 0x%02x: only unsigned bytes (0x08) can "
        "be read",
        name, static_cast<unsigned char>(bytes[2])));
  }
  const size_t rank = static_cast<unsigned char>(bytes[3]);
  const size_t header = kMagicBytes + 4 * rank;
  if (bytes.size() < header) {
    return absl::DataLossError(absl::StrFormat(
        "%s ends within its header: is the file complete?", name));
  }
  IdxArray array;
  size_t count = 1;
  const size_t have = bytes.size() - header;
  for (size_t i = 0; i < rank; ++i) {
    const size_t dimension = BigEndian32(bytes, kMagicBytes + 4 * i);
    if (dimension == 0) {
      return absl::InvalidArgumentError(
          absl::StrFormat("dimension %d of %s is 0: it has no data", i, name));
    }
    // Checked before multiplying: the product might overflow.
    if (dimension > have / count) {
      return absl::DataLossError(absl::StrFormat(
          "%s has %d bytes of elements, fewer than its dimensions promise: is "
          "the file complete?",
          name, have));
    }
    count *= dimension;
    array.dimensions.push_back(dimension);
  }
  if (count != have) {
    return absl::DataLossError(absl::StrFormat(
        "%s has %d bytes of elements, its dimensions promise %d", name, have,
        count));
  }
  bytes.erase(0, header);
  array.elements = std::move(bytes);
  return array;
}

}  // namespace backprop::cli
