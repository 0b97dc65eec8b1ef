// SPDX-License-Identifier: Apache-2.0
//
// What suites of the engine are run with, and how their tests are then named.
#ifndef BACKPROP_TESTS_ENGINE_PARAMETERS_H_
#define BACKPROP_TESTS_ENGINE_PARAMETERS_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/contract/layout.h"
#include "tests/engine/problem.h"

namespace backprop::testing {

// The form of all layers' deltas, and the samples of a step.
struct Form {
  DeltaForm form;
  size_t batch_size;
};

inline constexpr Form kEveryForm[] = {{DeltaForm::kFactored, 1},
                                      {DeltaForm::kFactored, 3},
                                      {DeltaForm::kDense, 1},
                                      {DeltaForm::kDense, 3}};

// "Dense3"
inline std::string FormName(const ::testing::TestParamInfo<Form>& test) {
  const bool dense = test.param.form == DeltaForm::kDense;
  return absl::StrCat(dense ? "Dense" : "Factored", test.param.batch_size);
}

// "17_9_4"
inline std::string ShapeName(const ::testing::TestParamInfo<Shape>& test) {
  return absl::StrCat(test.param.input_size, "_",
                      absl::StrJoin(test.param.sizes, "_"));
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_PARAMETERS_H_
