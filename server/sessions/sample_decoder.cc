// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/sample_decoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/network/loss.h"
#include "server/sessions/rejection.h"

namespace backprop {
namespace {

static_assert(std::endian::native == std::endian::little,
              "rows are copied as they come: little-endian float32");

// 1 MiB of inputs or targets.
constexpr size_t kMostPanelNumbers = 256 * 1024;
// Of weights and activations: some milliseconds on one core.
constexpr size_t kMostProducts = size_t{1} << 27;

// Numbers that are standardised at once to be looked at: they stay in the
// cache.
constexpr size_t kCheckedNumbers = 4096;

float LoadFloat(std::string_view bytes, size_t i) {
  float value;
  std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(float));
  return value;
}

// Position of the first number that is not finite after scaling, or the count.
size_t FirstNonFinite(std::string_view bytes, float scale) {
  const size_t count = bytes.size() / sizeof(float);
  constexpr size_t kBlock = 256;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(count, begin + kBlock);
    // x − x is 0 for finite x and NaN for others; without branches this runs
    // at memory speed.
    float sum = 0;
    for (size_t i = begin; i < end; ++i) {
      const float x = LoadFloat(bytes, i) * scale;
      sum += x - x;
    }
    if (sum == 0) continue;
    for (size_t i = begin; i < end; ++i) {
      if (!std::isfinite(LoadFloat(bytes, i) * scale)) return i;
    }
  }
  return count;
}

absl::Status NonFinite(std::string_view field, size_t position,
                       size_t row_length) {
  return InvalidField(
      field, absl::StrCat("row ", position / row_length, ", column ",
                          position % row_length,
                          " is NaN, infinite, or becomes so when scaled or "
                          "standardised; "
                          "nothing was applied"));
}

// The same of rows that are standardised too.
size_t FirstNonFiniteRow(const InputFormat& format, std::string_view bytes,
                         size_t row_length) {
  const size_t row_bytes = row_length * ElementSize(format.element_type);
  const size_t rows = bytes.size() / row_bytes;
  const size_t block = std::max<size_t>(1, kCheckedNumbers / row_length);
  std::vector<float> x(std::min(block, rows) * row_length);
  for (size_t row = 0; row < rows; row += block) {
    const size_t count = std::min(block, rows - row);
    const std::span<float> values(x.data(), count * row_length);
    if (ConvertInputs(format, bytes.substr(row * row_bytes, count * row_bytes),
                      values)) {
      continue;
    }
    const auto bad = std::find_if(values.begin(), values.end(),
                                  [](float v) { return !std::isfinite(v); });
    return row * row_length + static_cast<size_t>(bad - values.begin());
  }
  return rows * row_length;
}

absl::Status CheckClasses(std::span<const uint32_t> classes, size_t samples,
                          size_t outputs) {
  if (classes.size() != samples) {
    return InvalidField("classes",
                        absl::StrCat("has ", classes.size(), " numbers for ",
                                     samples, " input rows"));
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] >= outputs) {
      return InvalidField(
          absl::StrCat("classes[", i, "]"),
          absl::StrCat("is ", classes[i], "; the network has ", outputs,
                       " outputs, so it must be at most ", outputs - 1));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTargets(const NetworkSpec& network, std::string_view targets,
                          size_t samples) {
  const size_t outputs = network.output_size();
  if (targets.size() % sizeof(float) != 0 ||
      targets.size() / sizeof(float) / outputs != samples ||
      targets.size() / sizeof(float) % outputs != 0) {
    return InvalidField(
        "targets", absl::StrCat("has ", targets.size(), " bytes; ", samples,
                                " samples need ", samples, " rows of ", outputs,
                                " float32, ", samples * outputs * sizeof(float),
                                " bytes"));
  }
  const size_t bad = FirstNonFinite(targets, 1.0F);
  if (bad < samples * outputs) return NonFinite("targets", bad, outputs);
  const LossTraits& loss = TraitsOf(network.loss);
  if (loss.target_rule == nullptr) return absl::OkStatus();
  for (size_t i = 0; i < samples * outputs; ++i) {
    const float target = LoadFloat(targets, i);
    if (target >= loss.least_target && target <= loss.largest_target) continue;
    return InvalidField(
        "targets", absl::StrCat("row ", i / outputs, ", column ", i % outputs,
                                " is ", target, "; must be ", loss.target_rule,
                                " under ", loss.name, "; nothing was applied"));
  }
  return absl::OkStatus();
}

absl::Status CheckSampleWeights(std::span<const float> weights,
                                size_t samples) {
  if (weights.empty()) return absl::OkStatus();
  if (weights.size() != samples) {
    return InvalidField("sample_weights",
                        absl::StrCat("has ", weights.size(), " numbers for ",
                                     samples, " input rows"));
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    if (std::isfinite(weights[i]) && weights[i] >= 0) continue;
    return InvalidField(
        absl::StrCat("sample_weights[", i, "]"),
        absl::StrCat("is ", weights[i], "; must be finite and not negative"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<size_t> CheckInputs(const SessionSpec& spec,
                                   std::string_view field,
                                   std::string_view bytes) {
  const size_t row_length = spec.network.input_size;
  const size_t row_bytes = row_length * ElementSize(spec.input.element_type);
  if (bytes.empty()) {
    return InvalidField(field, "is empty; at least one input row is needed");
  }
  if (bytes.size() % row_bytes != 0) {
    return InvalidField(
        field, absl::StrCat("has ", bytes.size(),
                            " bytes, no multiple of a "
                            "row's ",
                            row_bytes, " (", row_length,
                            spec.input.element_type == ElementType::kUint8
                                ? " uint8"
                                : " float32",
                            " each)"));
  }
  const size_t rows = bytes.size() / row_bytes;
  size_t bad = rows * row_length;
  if (!spec.input.mean.empty()) {
    bad = FirstNonFiniteRow(spec.input, bytes, row_length);
  } else if (spec.input.element_type == ElementType::kFloat32) {
    bad = FirstNonFinite(bytes, spec.input.scale);
  }
  if (bad < rows * row_length) return NonFinite(field, bad, row_length);
  return rows;
}

absl::StatusOr<size_t> CheckSamples(const SessionSpec& spec,
                                    const SampleBytes& samples) {
  const auto count = CheckInputs(spec, "inputs", samples.inputs);
  if (!count.ok()) return count;
  if (samples.targets.empty() == samples.classes.empty()) {
    return InvalidField("targets", "set exactly one of targets and classes");
  }
  absl::Status status =
      samples.targets.empty()
          ? CheckClasses(samples.classes, *count, spec.network.output_size())
          : CheckTargets(spec.network, samples.targets, *count);
  if (status.ok()) status = CheckSampleWeights(samples.weights, *count);
  if (!status.ok()) return status;
  return count;
}

absl::Status CheckFinite(std::string_view field,
                         std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return InvalidField(absl::StrCat(std::string(field), "[", i, "]"),
                          "is NaN or infinite; must be finite");
    }
  }
  return absl::OkStatus();
}

size_t RowsInTurn(const Layout& layout) {
  const size_t row = std::max(layout.input_size(), layout.output_size());
  return std::max<size_t>(1, std::min(kMostPanelNumbers / row,
                                      kMostProducts / layout.weight_count()));
}

void DecodeInputs(const SessionSpec& spec, std::string_view bytes, size_t first,
                  size_t count, MutableRows inputs) {
  const size_t columns = spec.network.input_size;
  const size_t row_bytes = columns * ElementSize(spec.input.element_type);
  bytes = bytes.substr(first * row_bytes, count * row_bytes);
  if (inputs.stride == columns) {
    ConvertInputs(spec.input, bytes, {inputs.data, count * columns});
    return;
  }
  for (size_t t = 0; t < count; ++t) {
    ConvertInputs(spec.input, bytes.substr(t * row_bytes, row_bytes),
                  {inputs[t], columns});
    std::fill(inputs[t] + columns, inputs[t] + inputs.stride, 0.0F);
  }
}

void DecodeTargets(const SessionSpec& spec, const SampleBytes& samples,
                   size_t first, size_t count, std::span<float> targets) {
  const size_t outputs = spec.network.output_size();
  if (!samples.targets.empty()) {
    std::memcpy(targets.data(),
                samples.targets.data() + first * outputs * sizeof(float),
                count * outputs * sizeof(float));
    return;
  }
  std::fill(targets.begin(), targets.end(), 0.0F);
  for (size_t i = 0; i < count; ++i) {
    targets[i * outputs + samples.classes[first + i]] = 1.0F;
  }
}

}  // namespace backprop
