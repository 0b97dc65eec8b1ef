// SPDX-License-Identifier: Apache-2.0
//
// What it finds is tested with a faulty library:
// tests/end_to_end/wrong_blas_test.
#include "engine/kernels/blas_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/kernels/blas.h"

namespace backprop::testing {
namespace {

using ::testing::MatchesRegex;
using ::testing::StartsWith;

TEST(BlasCheckTest, FindsNothingWrongWithTheLibraryThatTestsRunWith) {
  const absl::Status status = CheckBlas();
  EXPECT_TRUE(status.ok()) << status;
}

TEST(BlasTest, VersionIsTheBeginningOfWhatItSaysOfItself) {
  const std::string version(blas::Version());
  EXPECT_THAT(version, MatchesRegex("OpenBLAS [0-9]+\\.[0-9]+\\.[0-9.]+"));
  EXPECT_THAT(std::string(blas::Config()), StartsWith(version + " "));
}

}  // namespace
}  // namespace backprop::testing
