// SPDX-License-Identifier: Apache-2.0
//
// The disk fails, at every call that a life of a store makes of it, once or for
// ever; a sync lies; the disk is full. What was acknowledged is there then,
// what was not is done by committing it again, once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/server/store/faulty_vfs.h"
#include "tests/server/store/seed.h"
#include "tests/server/store/store_under_test.h"

namespace backprop::testing {
namespace {

using ::testing::IsEmpty;

constexpr int kCommits = 5;

// Fails at most so often before the disk is mended.
constexpr int kTries = 3;

// One of which fails, the 1st to the last of them.
constexpr uint64_t kSyncs = 60;

// Until it succeeds; mends the disk when that takes long. Only an error that
// tells of the disk may be in between.
template <class Attempt>
void Persist(const Attempt& attempt) {
  for (int tries = 0;; ++tries) {
    const absl::Status status = attempt();
    if (status.ok()) return;
    ASSERT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    ASSERT_LT(tries, 2 * kTries);
    if (tries == kTries) FaultyVfs::Get().Heal();
  }
}

// Opens, or makes, a store, and commits.
void OpenAndCommit(StoreUnderTest& store) {
  Persist([&] { return store.Open(); });
  for (int i = 0; i < kCommits && store.open(); ++i) {
    Persist([&] { return store.Commit(); });
    Persist([&] { return store.Compare(); });
  }
}

// Two lives, each closed in good order.
void Live(StoreUnderTest& store) {
  for (int life = 0; life < 2; ++life) {
    OpenAndCommit(store);
    store.Close();
  }
}

void ExpectAllThere(StoreUnderTest& store) {
  FaultyVfs::Get().Heal();
  ASSERT_EQ(store.Open(), absl::OkStatus());
  EXPECT_EQ(store.Compare(), absl::OkStatus());
  EXPECT_THAT(store.Faults(), IsEmpty());
  store.Close();
}

class DiskFaultTest : public ::testing::TestWithParam<FaultyVfs::How> {};

INSTANTIATE_TEST_SUITE_P(, DiskFaultTest,
                         ::testing::Values(FaultyVfs::How::kOnce,
                                           FaultyVfs::How::kForEver),
                         [](const auto& how) {
                           return how.param == FaultyVfs::How::kOnce
                                      ? "Once"
                                      : "ForEver";
                         });

TEST_P(DiskFaultTest, AtAnyCallLosesNothing) {
  const uint64_t seed = TestSeed();
  uint64_t call = 1;
  for (bool failed = true; failed; ++call) {
    SCOPED_TRACE(call);
    StoreUnderTest store(seed);
    FaultyVfs::Get().FailAt(call, GetParam());
    Live(store);
    failed = FaultyVfs::Get().failed();
    ExpectAllThere(store);
    ASSERT_FALSE(HasFailure());
  }
  std::cout << call << " calls\n";
  EXPECT_GT(call, 300U) << "too few calls to have met much";
}

// The kernel tells of a failed sync once; what it could not write it forgets.
TEST_P(DiskFaultTest, AtAnySyncAndThenThePowerLosesNothing) {
  const uint64_t seed = TestSeed();
  uint64_t sync = 1;
  for (bool failed = true; failed; ++sync) {
    SCOPED_TRACE(sync);
    StoreUnderTest store(seed);
    ASSERT_EQ(store.Open(), absl::OkStatus());
    FaultyVfs::Get().RememberUnsynced();
    store.Close();
    FaultyVfs::Get().FailSyncAt(sync, GetParam());
    Live(store);
    OpenAndCommit(store);
    failed = FaultyVfs::Get().failed();
    FaultyVfs::Get().CutPower(seed + sync);
    store.Close();
    FaultyVfs::Get().Reset();
    ExpectAllThere(store);
    ASSERT_FALSE(HasFailure());
  }
  std::cout << sync << " syncs\n";
  EXPECT_GT(sync, 20U) << "too few syncs to have met much";
}

// On until the power goes: soon after the fault has come, within a call of the
// store or after one.
void LiveUntilPowerGoes(StoreUnderTest& store, std::mt19937_64& random) {
  FaultyVfs& vfs = FaultyVfs::Get();
  for (int after = 0; vfs.power(); after += vfs.failed()) {
    if (after == 1) vfs.CutPowerAt(20 + random() % 60, random());
    if (after == kTries) vfs.Heal();
    const absl::Status done = store.open() ? store.Commit() : store.Open();
    ASSERT_TRUE(done.ok() || vfs.failed()) << done;
    const bool cut = after > 0 && random() % 3 == 0;
    if (cut && vfs.power()) vfs.CutPower(random());
  }
  store.Close();
}

// The power goes while the store gets over a failed sync, or soon after.
TEST_P(DiskFaultTest, AtAnySyncAndThePowerMeanwhileLosesNothing) {
  std::mt19937_64 random(TestSeed());
  for (uint64_t sync = 1; sync <= kSyncs; ++sync) {
    SCOPED_TRACE(sync);
    StoreUnderTest store(random());
    ASSERT_EQ(store.Open(), absl::OkStatus());
    FaultyVfs::Get().RememberUnsynced();
    store.Close();
    FaultyVfs::Get().FailSyncAt(sync, GetParam());
    LiveUntilPowerGoes(store, random);
    FaultyVfs::Get().Reset();
    ASSERT_EQ(store.Open(), absl::OkStatus());
    EXPECT_EQ(store.CompareAfterCut(), absl::OkStatus());
    EXPECT_THAT(store.Faults(), IsEmpty());
    store.Close();
    ASSERT_FALSE(HasFailure());
  }
}

TEST(FullDiskTest, NothingIsLostAndSpaceThatComesBackIsUsed) {
  const uint64_t seed = TestSeed();
  for (size_t room = 0; room < 400'000; room += 10'000) {
    SCOPED_TRACE(room);
    StoreUnderTest store(seed);
    FaultyVfs::Get().LimitGrowth(room);
    Live(store);
    ExpectAllThere(store);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace backprop::testing
