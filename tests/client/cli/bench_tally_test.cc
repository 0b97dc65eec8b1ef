// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/bench_tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "client/cli/run/bench_way.h"

namespace backprop::cli {
namespace {

using ::testing::ElementsAre;
using Clock = BenchTally::Clock;

Clock::time_point At(double seconds) {
  return Clock::time_point(std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(seconds)));
}

// An answer of so many steps to a message of 10 bytes of inputs.
TrainAnswer Answer(uint64_t steps, bool done = true) {
  v1::TrainRequest request;
  request.set_inputs(std::string(10, 'x'));
  TrainAnswer answer;
  answer.request = std::make_shared<const v1::TrainRequest>(request);
  answer.response.set_base_step(100);
  answer.response.set_step(100 + steps);
  answer.response.set_message_done(done);
  return answer;
}

TEST(BenchTallyTest, MeasuresFromTheEndOfTheWarmUpToTheEnd) {
  const TrainAnswer answer = Answer(3);
  const uint64_t received = answer.response.ByteSizeLong();
  BenchTally tally(2, At(1), At(10));
  for (const double seconds : {0.5, 2.0, 5.0, 9.0, 12.0, 13.0}) {
    tally.Take(answer, true, At(seconds));
    EXPECT_EQ(tally.done(), seconds >= 10) << seconds;
  }
  const BenchFigures& figures = tally.figures();
  // The answers at 5, 9 and 12, counted from the one at 2.
  EXPECT_EQ(figures.measured.steps, 9U);
  EXPECT_EQ(figures.measured.samples, 18U);
  EXPECT_EQ(figures.measured.sent_bytes, 3 * 12U);
  EXPECT_EQ(figures.measured.received_bytes, 3 * received);
  EXPECT_DOUBLE_EQ(figures.seconds, 10);
  EXPECT_DOUBLE_EQ(figures.samples_per_second(), 1.8);
  EXPECT_EQ(figures.all.steps, 18U);
  EXPECT_EQ(figures.all.sent_bytes, 6 * 12U);
}

TEST(BenchTallyTest, BeginsAndEndsWhereAMessageIsAnsweredToItsEnd) {
  BenchTally tally(1, At(1), At(10));
  tally.Take(Answer(5, false), true, At(2));
  tally.Take(Answer(5), true, At(3));
  tally.Take(Answer(7, false), true, At(11));
  EXPECT_FALSE(tally.done());
  tally.Take(Answer(1), true, At(13));
  EXPECT_TRUE(tally.done());
  EXPECT_EQ(tally.figures().measured.steps, 8U);
  EXPECT_EQ(tally.figures().measured.sent_bytes, 12U);
  EXPECT_DOUBLE_EQ(tally.figures().seconds, 10);
}

TEST(BenchTallyTest, WarmsUpUntilItsStreamHasLearntWhatItMust) {
  BenchTally tally(1, At(1), At(10));
  tally.Take(Answer(0), false, At(20));
  tally.Take(Answer(4), true, At(21));
  tally.Take(Answer(4), true, At(22));
  EXPECT_TRUE(tally.done());
  EXPECT_EQ(tally.figures().measured.steps, 4U);
}

TEST(BenchTallyTest, AGoodbyeWithoutAMessageIsNoAnswer) {
  BenchTally tally(1, At(1), At(10));
  tally.Take(Answer(1), true, At(2));
  TrainAnswer goodbye = Answer(0);
  goodbye.request = nullptr;
  tally.Take(goodbye, true, At(20));
  EXPECT_FALSE(tally.done());
}

TEST(BenchTallyTest, LatenciesAreThoseOfWhatIsMeasured) {
  BenchTally tally(1, At(1), At(10));
  int i = 0;
  for (const double seconds : {0.5, 2.0, 5.0, 12.0, 13.0}) {
    tally.AddLatency(std::chrono::microseconds(++i));
    tally.Take(Answer(1), true, At(seconds));
  }
  EXPECT_THAT(tally.figures().latencies, ElementsAre(3, 4));
}

TEST(BenchTallyTest, NothingMeasuredIsNoRate) {
  EXPECT_EQ(BenchFigures().samples_per_second(), 0);
}

TEST(PercentileTest, IsTheSmallestThatTheShareDoesNotExceed) {
  EXPECT_EQ(Percentile({7}, 0.5), 7);
  EXPECT_EQ(Percentile({7}, 0.99), 7);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.5), 2);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.51), 3);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 1), 4);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 1e-9), 1);
  std::mt19937 random(1);
  std::vector<float> numbers(1000);
  for (float& number : numbers) number = static_cast<float>(random() % 300);
  for (const double share : {0.5, 0.9, 0.99}) {
    const float found = Percentile(numbers, share);
    size_t below = 0, up_to = 0;
    for (const float number : numbers) {
      below += number < found ? 1 : 0;
      up_to += number <= found ? 1 : 0;
    }
    EXPECT_LT(static_cast<double>(below), share * 1000);
    EXPECT_GE(static_cast<double>(up_to), share * 1000);
  }
}

std::vector<std::string> Texts(size_t batch_size) {
  std::vector<std::string> texts;
  for (const BenchWay& way : BenchWays(batch_size)) {
    texts.push_back(WayText(way));
  }
  return texts;
}

TEST(BenchWaysTest, MessagesHoldWholeStepsAndNoneIsThereTwice) {
  EXPECT_THAT(Texts(1),
              ElementsAre("1 sample a message one by one", "1 sample a message",
                          "32 samples a message", "256 samples a message",
                          "32 samples a message without deltas",
                          "256 samples a message without deltas"));
  EXPECT_THAT(Texts(48),
              ElementsAre("48 samples a message one by one",
                          "48 samples a message", "288 samples a message",
                          "48 samples a message without deltas",
                          "288 samples a message without deltas"));
  EXPECT_THAT(Texts(1000),
              ElementsAre("1,000 samples a message one by one",
                          "1,000 samples a message",
                          "1,000 samples a message without deltas"));
}

}  // namespace
}  // namespace backprop::cli
