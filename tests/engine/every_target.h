// SPDX-License-Identifier: Apache-2.0
//
// Code that Highway compiles for each kind of CPU, tested on all of them that
// this CPU can be.
#ifndef BACKPROP_TESTS_ENGINE_EVERY_TARGET_H_
#define BACKPROP_TESTS_ENGINE_EVERY_TARGET_H_

#include <gtest/gtest.h>

#include <cstdint>

#include "hwy/targets.h"

namespace backprop::testing {

// Runs check() once for each kind of CPU that the engine has code for; failures
// say which.
template <class Check>
void OnEveryTarget(Check check) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    SCOPED_TRACE(hwy::TargetName(target));
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_EVERY_TARGET_H_
