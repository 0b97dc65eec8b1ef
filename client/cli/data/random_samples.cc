// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/random_samples.h"

#include <algorithm>

#include "client/cli/data/dataset.h"

namespace backprop::cli {
namespace {

// Inputs are made for so many bytes, or for a message, whichever is more.
constexpr size_t kInputBytes = 1 << 20;
constexpr size_t kMostMessages = 256;

bool AreBytes(const v1::SessionSpec& spec) {
  return spec.input().element_type() == v1::ELEMENT_TYPE_UINT8;
}

size_t RowBytes(const v1::SessionSpec& spec) {
  return spec.input_size() * (AreBytes(spec) ? 1 : sizeof(float));
}

void AppendNumber(float number, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::string RandomInputs(const v1::SessionSpec& spec, size_t samples,
                         std::mt19937_64& random) {
  std::string inputs;
  inputs.reserve(samples * RowBytes(spec));
  for (size_t i = samples * spec.input_size(); i > 0; --i) {
    const uint64_t drawn = random();
    const auto ink = static_cast<uint8_t>(drawn % 5 == 0 ? drawn >> 56 : 0);
    if (AreBytes(spec)) {
      inputs.push_back(static_cast<char>(ink));
    } else {
      AppendNumber(static_cast<float>(ink) / 255, &inputs);
    }
  }
  return inputs;
}

}  // namespace

RandomSamples::RandomSamples(const v1::SessionSpec& spec,
                             size_t samples_per_message, uint64_t seed)
    : samples_per_message_(samples_per_message),
      outputs_(OutputSize(spec)),
      random_(seed) {
  const size_t bytes =
      std::max<size_t>(1, samples_per_message * RowBytes(spec));
  const size_t messages =
      std::clamp<size_t>(kInputBytes / bytes, 1, kMostMessages);
  for (size_t i = 0; i < messages; ++i) {
    inputs_.push_back(RandomInputs(spec, samples_per_message, random_));
  }
}

v1::TrainRequest RandomSamples::Next() {
  v1::TrainRequest request;
  request.set_inputs(inputs_[next_]);
  next_ = (next_ + 1) % inputs_.size();
  for (size_t i = 0; i < samples_per_message_; ++i) {
    const uint64_t drawn = random_();
    if (outputs_ > 1) {
      request.add_classes(static_cast<uint32_t>(drawn % outputs_));
    } else {
      AppendNumber(static_cast<float>(drawn % 2), request.mutable_targets());
    }
  }
  return request;
}

bool FitsMessage(const v1::SessionSpec& spec, uint64_t samples, uint64_t most) {
  // A class is a varint of five bytes at most; two fields have a head each.
  constexpr uint64_t kHeads = 2 * 11;
  // A product could overflow.
  return most >= kHeads && samples <= (most - kHeads) / (RowBytes(spec) + 5);
}

}  // namespace backprop::cli
