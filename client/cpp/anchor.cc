// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/anchor.h"

#include <span>
#include <string>

namespace backprop {
namespace {

// Little-endian, as every machine that this library is built for.
void SetNumbers(std::span<const float> numbers, std::string* bytes) {
  bytes->assign(reinterpret_cast<const char*>(numbers.data()),
                numbers.size_bytes());
}

}  // namespace

v1::Anchor AnchorMessage(const Weights& weights) {
  v1::Anchor anchor;
  anchor.set_step(weights.step);
  anchor.set_next_offset(weights.next_offset);
  SetNumbers(weights.values, anchor.mutable_weights());
  SetNumbers(weights.state, anchor.mutable_state());
  if (weights.digest != 0) anchor.set_digest(weights.digest);
  if (!weights.mean.empty() || !weights.factor.empty()) {
    v1::Standardisation& known = *anchor.mutable_standardisation();
    known.mutable_mean()->Add(weights.mean.begin(), weights.mean.end());
    known.mutable_factor()->Add(weights.factor.begin(), weights.factor.end());
  }
  *anchor.mutable_continuation() = weights.continuation;
  return anchor;
}

}  // namespace backprop
