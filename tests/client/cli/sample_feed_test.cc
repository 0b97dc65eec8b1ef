// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/sample_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "client/cli/data/shuffle.h"

namespace backprop::cli {
namespace {

using ::testing::ElementsAre;

// Sample i has the class i.
Dataset Numbered(size_t samples) {
  Dataset dataset;
  dataset.samples = samples;
  dataset.input_size = 1;
  dataset.inputs.assign(samples, 'x');
  for (uint32_t i = 0; i < samples; ++i) dataset.classes.push_back(i);
  return dataset;
}

// The samples of the epoch's messages.
std::vector<std::vector<uint32_t>> Epoch(SampleFeed& feed) {
  feed.BeginEpoch();
  std::vector<std::vector<uint32_t>> messages;
  v1::TrainRequest request;
  while (feed.Next(&request)) {
    EXPECT_EQ(request.inputs().size(),
              static_cast<size_t>(request.classes_size()));
    messages.emplace_back(request.classes().begin(), request.classes().end());
  }
  EXPECT_EQ(messages.size(), feed.epoch_messages());
  return messages;
}

TEST(SampleFeedTest, MessagesAreWholeSteps) {
  const Dataset data = Numbered(10);
  SampleFeed feed(data, 2, 5, std::nullopt);
  EXPECT_THAT(Epoch(feed),
              ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(4, 5, 6, 7),
                          ElementsAre(8, 9)));
}

TEST(SampleFeedTest, MessageHoldsAtLeastOneStep) {
  const Dataset data = Numbered(6);
  SampleFeed feed(data, 3, 1, std::nullopt);
  EXPECT_THAT(Epoch(feed),
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5)));
}

TEST(SampleFeedTest, LeftOverSamplesComeFirstInTheNextEpoch) {
  const Dataset data = Numbered(5);
  SampleFeed feed(data, 3, 3, std::nullopt);
  EXPECT_THAT(Epoch(feed), ElementsAre(ElementsAre(0, 1, 2)));
  EXPECT_EQ(feed.left_over(), 2U);
  EXPECT_THAT(Epoch(feed),
              ElementsAre(ElementsAre(3, 4, 0), ElementsAre(1, 2, 3)));
  EXPECT_EQ(feed.left_over(), 1U);
}

TEST(SampleFeedTest, FewerSamplesThanAStepGiveNoMessage) {
  const Dataset data = Numbered(2);
  SampleFeed feed(data, 3, 32, std::nullopt);
  EXPECT_TRUE(Epoch(feed).empty());
  EXPECT_EQ(Epoch(feed).size(), 1U);
}

TEST(ShuffleTest, EveryEpochHasEverySampleInAnotherOrder) {
  std::vector<uint32_t> first = ShuffledOrder(100, 1, 0);
  EXPECT_EQ(ShuffledOrder(100, 1, 0), first);
  EXPECT_NE(ShuffledOrder(100, 1, 1), first);
  EXPECT_NE(ShuffledOrder(100, 2, 0), first);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  std::sort(first.begin(), first.end());
  for (uint32_t i = 0; i < 100; ++i) EXPECT_EQ(first[i], i);
}

TEST(SampleFeedTest, LearningTakesWhatTheFirstEpochBeginsWith) {
  const Dataset dataset = Numbered(7);
  SampleFeed feed(dataset, 2, 4, 5);
  feed.BeginLearning(4);
  v1::TrainRequest request;
  ASSERT_TRUE(feed.Next(&request));
  const std::vector<uint32_t> learnt(request.classes().begin(),
                                     request.classes().end());
  EXPECT_FALSE(feed.Next(&request));
  const auto epoch = Epoch(feed);
  EXPECT_EQ(epoch[0], learnt);
  EXPECT_EQ(epoch.size(), 2U);
}

TEST(SampleFeedTest, LearningFromMoreThanThereIsTakesWholeSteps) {
  const Dataset dataset = Numbered(7);
  SampleFeed feed(dataset, 2, 100, std::nullopt);
  feed.BeginLearning(~uint64_t{0} / 2 * 2);
  v1::TrainRequest request;
  ASSERT_TRUE(feed.Next(&request));
  EXPECT_THAT(request.classes(), ElementsAre(0, 1, 2, 3, 4, 5));
}

}  // namespace
}  // namespace backprop::cli
