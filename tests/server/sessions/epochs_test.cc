// SPDX-License-Identifier: Apache-2.0
//
// What is left of a session's epochs answers as all of them do.
#include "server/sessions/epochs.h"

#include <gtest/gtest.h>

#include <random>

#include "server/sessions/session.h"

namespace backprop {
namespace {

TEST(EpochsTest, LivesInWhichNothingWasTrainedLeaveNothing) {
  std::vector<EpochStart> epochs = {{.epoch = 1, .first_step = 0}};
  for (uint64_t epoch = 2; epoch < 100; ++epoch) {
    AddEpoch({.epoch = epoch, .first_step = 7}, &epochs);
    EXPECT_EQ(epochs.size(), 2u);
    EXPECT_EQ(epochs.back().epoch, epoch);
  }
}

// Loads, whose first steps never fall, and rewinds.
TEST(EpochsTest, WhoMayGoOnMayWithWhatIsLeft) {
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    std::vector<EpochStart> all = {{.epoch = 1, .first_step = 0}};
    std::vector<EpochStart> left = all;
    for (uint64_t epoch = 2; epoch < 12; ++epoch) {
      const uint64_t before = all.back().first_step;
      const bool rewinds = random() % 4 == 0;
      const uint64_t first =
          rewinds ? random() % (before + 1) : before + random() % 3;
      all.push_back({.epoch = epoch, .first_step = first});
      AddEpoch(all.back(), &left);
      ASSERT_LE(left.size(), all.size());
      for (uint64_t of = 0; of < epoch + 2; ++of) {
        for (uint64_t step = 0; step < 40; ++step) {
          ASSERT_EQ(MayGoOn(left, of, step), MayGoOn(all, of, step))
              << "epoch " << of << ", step " << step;
        }
      }
      const auto say = WhatEpochsSay(all);
      ASSERT_EQ(say.size(), left.size());
    }
  }
}

}  // namespace
}  // namespace backprop
