// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/store_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/server/sessions/memory_store.h"

namespace backprop {
namespace {

using testing::MemoryStore;

TEST(StoreReaderTest, JobsRunInTheirOrderOnOneOtherThread) {
  MemoryStore store;
  StoreReader reader(store);
  std::vector<int> seen;
  std::vector<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    reader.Read([&, i](Store& given) {
      EXPECT_EQ(&given, &store);
      seen.push_back(i);
      threads.push_back(std::this_thread::get_id());
    });
  }
  reader.Stop();
  std::vector<int> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(seen, expected);
  EXPECT_THAT(threads, ::testing::Each(threads.front()));
  EXPECT_NE(threads.front(), std::this_thread::get_id());
}

TEST(StoreReaderTest, NobodyWaitsForAJobThatIsUnderWay) {
  MemoryStore store;
  StoreReader reader(store);
  std::promise<void> go;
  std::promise<void> done;
  reader.Read([&](Store&) { go.get_future().wait(); });
  reader.Read([&](Store&) { done.set_value(); });  // returns
  go.set_value();
  done.get_future().wait();
}

TEST(StoreReaderTest, WhatIsForLaterKeepsNobodyWaiting) {
  MemoryStore store;
  StoreReader reader(store);
  const auto start = std::chrono::steady_clock::now();
  std::promise<void> later;
  bool late = false;
  reader.ReadLater(std::chrono::milliseconds(30), [&](Store&) {
    late = true;
    later.set_value();
  });
  std::promise<bool> now;
  reader.Read([&](Store&) { now.set_value(late); });
  EXPECT_FALSE(now.get_future().get());
  later.get_future().wait();
  EXPECT_GE(std::chrono::steady_clock::now() - start,
            std::chrono::milliseconds(30));
  bool ran = false;
  reader.ReadLater(std::chrono::hours(1), [&](Store&) { ran = true; });
  reader.Stop();
  EXPECT_TRUE(ran);
}

TEST(StoreReaderTest, WhatAJobAsksForRunsBeforeTheEnd) {
  MemoryStore store;
  bool ran = false;
  StoreReader reader(store);
  reader.Read([&](Store&) { reader.Read([&](Store&) { ran = true; }); });
  reader.Stop();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace backprop
