// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "engine/kernels/instruction_set.h"
#include "hwy/targets.h"
#include "tests/engine/every_target.h"

namespace backprop::testing {
namespace {

TEST(InstructionSetNameTest, IsThatWhichTheLoopsAreBoundTo) {
  OnEveryTarget([] {
    EXPECT_EQ(InstructionSet(), hwy::TargetName(hwy::SupportedTargets()));
  });
}

}  // namespace
}  // namespace backprop::testing
