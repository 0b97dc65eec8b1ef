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

v1::Anchor AnchorMessage(const Anchor& anchor) {
  v1::Anchor message;
  message.set_step(anchor.step);
  message.set_next_offset(anchor.next_offset);
  SetNumbers(anchor.weights, message.mutable_weights());
  SetNumbers(anchor.state, message.mutable_state());
  if (anchor.digest != 0) message.set_digest(anchor.digest);
  if (!anchor.mean.empty() || !anchor.factor.empty()) {
    v1::Standardisation& known = *message.mutable_standardisation();
    known.mutable_mean()->Add(anchor.mean.begin(), anchor.mean.end());
    known.mutable_factor()->Add(anchor.factor.begin(), anchor.factor.end());
  }
  *message.mutable_continuation() = anchor.continuation;
  return message;
}

}  // namespace backprop
