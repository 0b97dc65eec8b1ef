// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/session_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/contract/digest.h"
#include "engine/interchange/state_names.h"
#include "engine/interchange/tensor_header.h"

namespace backprop {
namespace {

constexpr char kForm[] = "1";
constexpr char kStatePrefix[] = "optimiser.";

// A tensor as a layout has it.
struct Place {
  std::string name;
  std::vector<uint64_t> shape;
  size_t count;  // of its numbers
};

// The layout's tensors in its order, once for the weights and once for each of
// the state vectors: they fill the numbers without gaps.
std::vector<Place> PlacesIn(const Layout& layout, bool with_state) {
  std::vector<std::string> prefixes = {""};
  if (with_state) {
    for (const std::string& name : StateNames(layout.rule())) {
      prefixes.push_back(absl::StrCat(kStatePrefix, name, "."));
    }
  }
  std::vector<Place> places;
  for (const std::string& prefix : prefixes) {
    for (size_t k = 0; k < layout.layers().size(); ++k) {
      const LayerLayout& layer = layout.layers()[k];
      const std::string name = absl::StrCat(prefix, "layers.", k);
      places.push_back({name + ".weight",
                        {layer.outputs, layer.inputs},
                        layer.outputs * layer.inputs});
      places.push_back({name + ".bias", {layer.outputs}, layer.outputs});
    }
  }
  return places;
}

std::string_view BytesOf(std::span<const float> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

// XXH3-64 over all that the file says, whatever its form: metadata but the
// checksum itself, and the tensors in the order of their data.
std::string ChecksumOf(const TensorFile& file) {
  std::string meaning;
  const auto add = [&](std::string_view text) {
    meaning += absl::StrCat(text.size(), ":");
    meaning += text;
  };
  for (const auto& [key, value] : file.metadata) {
    if (key == kChecksumKey) continue;
    add(key);
    add(value);
  }
  for (const Tensor& tensor : file.tensors) {
    add(tensor.name);
    add(absl::StrJoin(tensor.shape, ","));
    absl::StrAppend(&meaning, absl::Hex(DigestOfBytes(tensor.bytes)), ";");
  }
  return absl::StrFormat("%016x", DigestOfBytes(meaning));
}

std::optional<std::string> Find(const TensorFile& file, const char* key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) return std::nullopt;
  return found->second;
}

// Other tools' files have neither form nor checksum. One bit can't take both
// away.
absl::Status CheckChecksum(const TensorFile& file) {
  const auto form = Find(file, kFormKey);
  const auto checksum = Find(file, kChecksumKey);
  if (!form.has_value() && !checksum.has_value()) return absl::OkStatus();
  constexpr char kAdvice[] =
      ": the file was damaged, or changed by another tool; one that changes it "
      "must leave backprop.form and backprop.checksum out";
  if (!form.has_value() || !checksum.has_value()) {
    return absl::DataLossError(absl::StrCat("the metadata has one of ",
                                            kFormKey, " and ", kChecksumKey,
                                            " without the other", kAdvice));
  }
  if (const std::string found = ChecksumOf(file); found != *checksum) {
    return absl::DataLossError(absl::StrCat(kChecksumKey, " is ",
                                            Quoted(*checksum),
                                            ", but that of what the file "
                                            "holds is ",
                                            Quoted(found), kAdvice));
  }
  if (*form == kForm) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(kFormKey, " is ", Quoted(*form), "; only \"", kForm,
                   "\" is read here: a newer version wrote the file"));
}

// "[3, 17]": of the number at `index` in a tensor of that shape.
std::string PositionText(const std::vector<uint64_t>& shape, size_t index) {
  if (shape.size() == 1) return absl::StrCat("[", index, "]");
  return absl::StrCat("[", index / shape[1], ", ", index % shape[1], "]");
}

absl::Status CheckFinite(const Tensor& tensor) {
  for (size_t i = 0; i < tensor.bytes.size() / sizeof(float); ++i) {
    float number = 0;
    std::memcpy(&number, tensor.bytes.data() + i * sizeof(float),
                sizeof(float));
    if (std::isfinite(number)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "number ", PositionText(tensor.shape, i), " of tensor ",
        Quoted(tensor.name), " is ", number, "; all must be finite"));
  }
  return absl::OkStatus();
}

absl::Status CheckTensor(const Tensor& tensor, const Place& place) {
  if (tensor.shape == place.shape) return CheckFinite(tensor);
  return absl::InvalidArgumentError(absl::StrCat(
      "tensor ", Quoted(tensor.name), " is of shape ", ShapeText(tensor.shape),
      "; the spec's layers make it ", ShapeText(place.shape)));
}

// By name; what is no tensor of the layout stays.
using TensorsByName = std::map<std::string_view, const Tensor*>;

TensorsByName ByName(const TensorFile& file) {
  TensorsByName tensors;
  for (const Tensor& tensor : file.tensors) tensors[tensor.name] = &tensor;
  return tensors;
}

bool HasState(const TensorFile& file) {
  return std::ranges::any_of(file.tensors, [](const Tensor& tensor) {
    return tensor.name.starts_with(kStatePrefix);
  });
}

}  // namespace

std::string SessionTensorBytes(const Layout& layout,
                               const SessionNumbers& numbers,
                               std::map<std::string, std::string> metadata) {
  TensorFile file{.metadata = std::move(metadata)};
  file.metadata.insert_or_assign(kFormatKey, std::string("pt"));
  file.metadata.insert_or_assign(kFormKey, std::string(kForm));
  const std::string_view weights = BytesOf(numbers.weights);
  const std::string_view state = BytesOf(numbers.state);
  size_t begin = 0;  // in both, one after the other
  for (Place& place : PlacesIn(layout, !state.empty())) {
    const size_t size = place.count * sizeof(float);
    file.tensors.push_back(
        {.name = std::move(place.name),
         .shape = std::move(place.shape),
         .bytes = begin < weights.size()
                      ? weights.substr(begin, size)
                      : state.substr(begin - weights.size(), size)});
    begin += size;
  }
  file.metadata[kChecksumKey] = ChecksumOf(file);
  return SafetensorsBytes(file);
}

absl::StatusOr<TensorFile> ParseSessionTensors(std::string_view bytes) {
  auto file = ParseSafetensors(bytes);
  if (!file.ok()) return file;
  if (absl::Status s = CheckChecksum(*file); !s.ok()) return s;
  return file;
}

absl::StatusOr<NumberBytes> NumbersIn(const TensorFile& file,
                                      const Layout& layout) {
  const std::vector<Place> places = PlacesIn(layout, HasState(file));
  TensorsByName tensors = ByName(file);
  std::vector<const Tensor*> found;
  for (const Place& place : places) {
    const auto tensor = tensors.extract(place.name);
    if (tensor.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", Quoted(place.name), ", of shape ",
                       ShapeText(place.shape), " by the spec, is missing"));
    }
    found.push_back(tensor.mapped());
    absl::Status status = CheckTensor(*found.back(), place);
    if (!status.ok()) return status;
  }
  if (!tensors.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", Quoted(tensors.begin()->first),
        " is none that the spec's layers and optimiser have: those are ",
        places.front().name, " to ", places.back().name));
  }
  NumberBytes numbers;
  numbers.weights.reserve(layout.weight_count() * sizeof(float));
  for (const Tensor* tensor : found) {
    const bool is_state = tensor->name.starts_with(kStatePrefix);
    (is_state ? numbers.state : numbers.weights) += tensor->bytes;
  }
  return numbers;
}

}  // namespace backprop
