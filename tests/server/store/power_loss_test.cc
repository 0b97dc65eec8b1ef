// SPDX-License-Identifier: Apache-2.0
//
// The power fails at a random call of the disk, then again while the store is
// opened, three deep. What was acknowledged is there afterwards, with the
// commit that was in flight or without it, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/server/store/faulty_vfs.h"
#include "tests/server/store/seed.h"
#include "tests/server/store/store_under_test.h"

namespace backprop::testing {
namespace {

using ::testing::IsEmpty;

constexpr int kCuts = 300;

TEST(PowerLossTest, WhatWasAcknowledgedIsThere) {
  FaultyVfs& vfs = FaultyVfs::Get();
  std::mt19937_64 random(TestSeed());
  StoreUnderTest store(random());
  ASSERT_EQ(store.Open(), absl::OkStatus());
  store.Close();
  int commits = 0;
  for (int cut = 0; cut < kCuts; ++cut) {
    SCOPED_TRACE(cut);
    vfs.Reset();
    vfs.RememberUnsynced();
    vfs.CutPowerAt(1 + random() % (cut % 3 == 0 ? 80 : 600), random());
    if (store.Open().ok()) {
      const absl::Status compared = store.CompareAfterCut();
      ASSERT_TRUE(compared.ok() || vfs.failed()) << compared;
      while (store.Commit().ok()) ++commits;
    }
    ASSERT_TRUE(vfs.failed());
    store.Close();
  }
  vfs.Reset();
  ASSERT_EQ(store.Open(), absl::OkStatus());
  EXPECT_EQ(store.CompareAfterCut(), absl::OkStatus());
  EXPECT_THAT(store.Faults(), IsEmpty());
  EXPECT_GT(commits, kCuts) << "too few commits to have lost any";
}

}  // namespace
}  // namespace backprop::testing
