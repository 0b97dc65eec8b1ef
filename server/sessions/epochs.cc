// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/epochs.h"

namespace backprop {

void AddEpoch(EpochStart next, std::vector<EpochStart>* epochs) {
  epochs->reserve(epochs->size() + 1);
  while (!epochs->empty() && epochs->back().first_step >= next.first_step) {
    epochs->pop_back();
  }
  epochs->push_back(next);
}

std::vector<EpochStart> WhatEpochsSay(const std::vector<EpochStart>& epochs) {
  std::vector<EpochStart> say;
  for (const EpochStart& each : epochs) AddEpoch(each, &say);
  return say;
}

}  // namespace backprop
