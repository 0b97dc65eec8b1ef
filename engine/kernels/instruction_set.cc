// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/instruction_set.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/instruction_set.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

// Compiled as every loop is: the one that is called is of the instructions that
// the loops have.
const char* TargetName() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(TargetName);

}  // namespace

std::string_view InstructionSet() { return HWY_DYNAMIC_DISPATCH(TargetName)(); }

}  // namespace backprop
#endif  // HWY_ONCE
