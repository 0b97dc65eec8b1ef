// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/compute_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <mutex>
#include <new>
#include <string>
#include <vector>

namespace backprop {
namespace {

using ::testing::ElementsAre;

// What turns did, in order.
class Record {
 public:
  Turn Writes(const std::string& entry) {
    return [this, entry](Worker&) { Write(entry); };
  }
  void Write(const std::string& entry) {
    std::lock_guard lock(mutex_);
    entries_.push_back(entry);
  }
  std::vector<std::string> entries() {
    std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> entries_;  // guarded by mutex_
};

// Holds a pool's only thread until its end, so that a test can fill the queue.
class Hold {
 public:
  explicit Hold(ComputePool& pool) {
    pool.Submit([latch = latch_](Worker&) { latch->wait(); });
  }
  void End() { latch_->count_down(); }

 private:
  const std::shared_ptr<std::latch> latch_ = std::make_shared<std::latch>(1);
};

TEST(ComputePoolTest, LanesTakeOneTurnEachRoundAndRound) {
  Record record;
  {
    ComputePool pool(1, [](double) {});
    Hold hold(pool);
    const auto a = std::make_shared<Lane>();
    const auto b = std::make_shared<Lane>();
    for (const char* entry : {"a1", "a2", "a3"}) {
      pool.Submit(a, record.Writes(entry));
    }
    for (const char* entry : {"b1", "b2"}) pool.Submit(b, record.Writes(entry));
    hold.End();
  }  // runs what was submitted
  EXPECT_THAT(record.entries(), ElementsAre("a1", "b1", "a2", "b2", "a3"));
}

TEST(ComputePoolTest, WorkThatGoesOnKeepsItsLaneButNotItsThread) {
  Record record;
  {
    ComputePool pool(1, [](double) {});
    Hold hold(pool);
    const auto a = std::make_shared<Lane>();
    const auto b = std::make_shared<Lane>();
    pool.Submit(a, [&, a](Worker&) {
      record.Write("a1 begins");
      pool.SubmitNext(a, record.Writes("a1 ends"));
    });
    pool.Submit(a, record.Writes("a2"));
    pool.Submit(b, record.Writes("b1"));
    pool.Submit(b, record.Writes("b2"));
    hold.End();
  }
  EXPECT_THAT(record.entries(),
              ElementsAre("a1 begins", "b1", "a1 ends", "b2", "a2"));
}

TEST(ComputePoolTest, ALanesTurnsNeverOverlapAndKeepTheirOrder) {
  constexpr int kLanes = 8;
  constexpr int kTurns = 500;
  std::atomic<int> waits = 0;
  // Written without a lock: the lane is one.
  std::vector<std::vector<int>> seen(kLanes);
  {
    ComputePool pool(4, [&](double seconds) {
      EXPECT_GE(seconds, 0);
      ++waits;
    });
    for (int l = 0; l < kLanes; ++l) {
      const auto lane = std::make_shared<Lane>();
      for (int t = 0; t < kTurns; ++t) {
        pool.Submit(lane, [&, l, t](Worker&) { seen[l].push_back(t); });
      }
    }
  }
  for (const std::vector<int>& turns : seen) {
    ASSERT_EQ(turns.size(), static_cast<size_t>(kTurns));
    EXPECT_TRUE(std::is_sorted(turns.begin(), turns.end()));
  }
  EXPECT_EQ(waits, kLanes * kTurns);
}

TEST(ComputePoolTest, OneLanesLongTurnLeavesTheOtherThreadsToOthers) {
  ComputePool pool(2, [](double) {});
  Hold hold(pool);
  std::latch done(1);
  pool.Submit([&](Worker&) { done.count_down(); });
  done.wait();  // or the test runs into its limit
  hold.End();
}

TEST(ComputePoolTest, SharedWorkIsDonePartByPartOnceEach) {
  std::vector<std::atomic<int>> parts(1000);
  {
    ComputePool pool(3, [](double) {});
    pool.Submit([&](Worker&) {
      pool.Share(parts.size(), [&](size_t i) { ++parts[i]; });
      for (const auto& part : parts) EXPECT_EQ(part, 1);
    });
  }
  for (const auto& part : parts) EXPECT_EQ(part, 1);
}

TEST(ComputePoolTest, SharedWorkEndsThoughAllOtherThreadsAreBusy) {
  std::latch done(1);
  std::atomic<int> parts = 0;
  ComputePool pool(2, [](double) {});
  Hold hold(pool);
  pool.Submit([&](Worker&) {
    pool.Share(8, [&](size_t) { ++parts; });
    done.count_down();
  });
  done.wait();
  EXPECT_EQ(parts, 8);
  hold.End();
}

TEST(ComputePoolTest, SharedWorkThatRunsOutOfMemorySaysSoWhenAllHasEnded) {
  std::atomic<int> parts = 0;
  bool thrown = false;
  {
    ComputePool pool(2, [](double) {});
    pool.Submit([&](Worker&) {
      try {
        pool.Share(50, [&](size_t i) {
          ++parts;
          if (i == 7) throw std::bad_alloc();
        });
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
    });
  }
  EXPECT_TRUE(thrown);
  EXPECT_EQ(parts, 50);
}

}  // namespace
}  // namespace backprop
