// SPDX-License-Identifier: Apache-2.0
#include "server/ops/housekeeping.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

namespace backprop::testing {
namespace {

constexpr size_t kBlock = 16 << 10;
constexpr size_t kBlocks = 4096;  // 64 MiB

size_t ResidentBytes() {
  size_t pages = 0;
  size_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

TEST(HousekeepingTest, WhatLiesBetweenLivingBlocksIsGivenBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator takes malloc's place";
#endif
  std::vector<void*> living;
  std::vector<void*> freed;
  for (size_t i = 0; i < kBlocks; ++i) {
    freed.push_back(std::malloc(kBlock));
    std::memset(freed.back(), 1, kBlock);
    living.push_back(std::malloc(64));
  }
  for (void* block : freed) std::free(block);
  const size_t before = ResidentBytes();

  Housekeeping trim(std::chrono::milliseconds(1), [] {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GT(ResidentBytes() + kBlocks * kBlock / 2, before)
      << "given back before anybody asked: this test shows nothing";
  trim.SomethingFreed();
  for (int i = 0; i < 500; ++i) {
    if (ResidentBytes() + kBlocks * kBlock / 2 < before) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LT(ResidentBytes() + kBlocks * kBlock / 2, before);
  for (void* block : living) std::free(block);
}

TEST(HousekeepingTest, NothingIsTidiedOnceItHasStopped) {
  std::atomic<int> tidied = 0;
  Housekeeping often(std::chrono::milliseconds(1), [&] { ++tidied; });
  for (int i = 0; i < 10'000 && tidied == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_GT(tidied, 0);
  often.Stop();
  const int then = tidied;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(tidied, then);
  often.Stop();
  often.SomethingFreed();
}

}  // namespace
}  // namespace backprop::testing
