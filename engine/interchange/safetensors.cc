// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/interchange/tensor_header.h"

namespace backprop {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian, and so is what it is made from");

constexpr size_t kLengthBytes = 8;
constexpr size_t kAlignment = 8;
constexpr uint64_t kLargestHeader = 100'000'000;  // the reference's limit
constexpr char kFloat32[] = "F32";

absl::Status Damaged(const std::string& text) {
  return absl::DataLossError(text);
}

absl::Status CutOff(uint64_t missing) {
  return Damaged(absl::StrCat("the file was cut off: ", missing,
                              " bytes are missing at its end"));
}

// Bytes of so many float32. False: they overflow.
bool SizeOf(const std::vector<uint64_t>& shape, uint64_t* bytes) {
  *bytes = sizeof(float);
  for (const uint64_t side : shape) {
    if (__builtin_mul_overflow(*bytes, side, bytes)) return false;
  }
  return true;
}

// The header's text, which follows its length.
absl::StatusOr<std::string_view> HeaderText(std::string_view bytes) {
  if (bytes.size() < kLengthBytes) return CutOff(kLengthBytes - bytes.size());
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kLargestHeader) {
    return Damaged(absl::StrCat("the header has ", length,
                                " bytes by its length, where at most ",
                                kLargestHeader,
                                " are allowed: this is no safetensors file, or "
                                "its begin is damaged"));
  }
  bytes.remove_prefix(kLengthBytes);
  if (bytes.size() < length) return CutOff(length - bytes.size());
  return bytes.substr(0, length);
}

// That the entry's data begins where the one before ended, and is as long as
// its shape says.
absl::Status CheckEntry(const TensorEntry& entry, uint64_t begin) {
  if (entry.dtype != kFloat32) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", Quoted(entry.name), " is of dtype ",
                     Quoted(entry.dtype), "; only F32 is read: convert it"));
  }
  uint64_t size = 0;
  if (!SizeOf(entry.shape, &size)) {
    return Damaged(absl::StrCat("tensor ", Quoted(entry.name), " of shape ",
                                ShapeText(entry.shape),
                                " has more bytes than can be counted"));
  }
  if (entry.offsets[0] != begin) {
    return Damaged(absl::StrCat("the data of tensor ", Quoted(entry.name),
                                " begins at ", entry.offsets[0],
                                " where what stands before it ends at ", begin,
                                ": there may be neither gap nor overlap"));
  }
  if (entry.offsets[1] < begin || entry.offsets[1] - begin != size) {
    return Damaged(
        absl::StrCat("the data of tensor ", Quoted(entry.name), " stands from ",
                     begin, " to ", entry.offsets[1], ", but its shape ",
                     ShapeText(entry.shape), " has ", size, " bytes"));
  }
  return absl::OkStatus();
}

// The entries' data, which must be all of `data`.
absl::StatusOr<std::vector<Tensor>> TensorsIn(std::vector<TensorEntry> entries,
                                              std::string_view data) {
  std::ranges::stable_sort(entries, {}, &TensorEntry::offsets);
  uint64_t end = 0;
  for (const TensorEntry& entry : entries) {
    if (absl::Status s = CheckEntry(entry, end); !s.ok()) return s;
    end = entry.offsets[1];
  }
  if (end > data.size()) return CutOff(end - data.size());
  if (end < data.size()) {
    return Damaged(absl::StrCat(data.size() - end,
                                " bytes follow the last tensor's data, where "
                                "the file should end"));
  }
  std::vector<Tensor> tensors;
  tensors.reserve(entries.size());
  for (TensorEntry& entry : entries) {
    const uint64_t begin = entry.offsets[0];
    tensors.push_back({.name = std::move(entry.name),
                       .shape = std::move(entry.shape),
                       .bytes = data.substr(begin, entry.offsets[1] - begin)});
  }
  return tensors;
}

}  // namespace

std::string ShapeText(const std::vector<uint64_t>& shape) {
  constexpr size_t kMost = 8;
  const auto shown =
      shape.begin() + static_cast<ptrdiff_t>(std::min(shape.size(), kMost));
  return absl::StrCat("[", absl::StrJoin(shape.begin(), shown, ", "),
                      shape.size() > kMost ? ", …]" : "]");
}

std::string SafetensorsBytes(const TensorFile& file) {
  TensorHeader header{.metadata = file.metadata};
  uint64_t end = 0;
  for (const Tensor& tensor : file.tensors) {
    const uint64_t begin = std::exchange(end, end + tensor.bytes.size());
    header.entries.push_back({.name = tensor.name,
                              .dtype = kFloat32,
                              .shape = tensor.shape,
                              .offsets = {begin, end}});
  }
  std::string json = TensorHeaderJson(header);
  json.append((kAlignment - json.size() % kAlignment) % kAlignment, ' ');
  std::string bytes(kLengthBytes, '\0');
  const uint64_t length = json.size();
  std::memcpy(bytes.data(), &length, kLengthBytes);
  bytes.reserve(kLengthBytes + json.size() + end);
  bytes += json;
  for (const Tensor& tensor : file.tensors) bytes += tensor.bytes;
  return bytes;
}

absl::StatusOr<TensorFile> ParseSafetensors(std::string_view bytes) {
  const auto text = HeaderText(bytes);
  if (!text.ok()) return text.status();
  auto header = ParseTensorHeader(*text);
  if (!header.ok()) return header.status();
  auto tensors = TensorsIn(std::move(header->entries),
                           bytes.substr(kLengthBytes + text->size()));
  if (!tensors.ok()) return tensors.status();
  return TensorFile{std::move(header->metadata), *std::move(tensors)};
}

}  // namespace backprop
