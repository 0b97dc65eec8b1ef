// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/applied_messages.h"

#include <algorithm>

namespace backprop {

bool AppliedMessages::Differ(const AppliedMessage& message) const {
  return std::ranges::any_of(all_, [&](const AppliedMessage& each) {
    return each.offset == message.offset && each.count == message.count &&
           each.hash != message.hash;
  });
}

void AppliedMessages::Add(const AppliedMessage& message) {
  while (!all_.empty() && all_.back().offset >= message.offset) {
    all_.pop_back();
  }
  all_.push_back(message);
  if (all_.size() > kMost) all_.erase(all_.begin());
}

}  // namespace backprop
