// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/training_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "tests/client/cpp/session_fake.h"
#include "tests/float_bytes.h"

namespace backprop::cli {
namespace {

using backprop::testing::SessionFake;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Dataset TenNumbers() {
  Dataset dataset;
  dataset.samples = 10;
  dataset.input_size = 1;
  for (int i = 0; i < 10; ++i) {
    dataset.targets.push_back(static_cast<float>(i));
  }
  dataset.inputs = backprop::testing::Bytes(dataset.targets);
  return dataset;
}

TEST(TrainingRunTest, EpochIsOverWhenItIsDurable) {
  SessionFake fake({}, /*durable=*/true);
  TrainingClient client = fake.Client();
  const Dataset data = TenNumbers();
  SampleFeed feed(data, 1, 4, std::nullopt);
  ResumingTrainOptions options;
  options.with_replica = true;
  auto run = TrainingRun::Open(client, fake.session(), feed, options);
  ASSERT_TRUE(run.ok()) << run.status();
  LiveLine line{Terminal()};
  Progress progress(line, {});
  for (int epoch = 0; epoch < 2; ++epoch) {
    auto result = (*run)->Epoch("epoch", progress);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->samples, 10U);
  }
  EXPECT_TRUE((*run)->Close().ok());
  EXPECT_EQ(fake.samples().size(), 20U);
  // The last message of each epoch.
  EXPECT_THAT(fake.hurried(), ElementsAre(8, 18));
}

// As of a server whose store fails.
TEST(TrainingRunTest, WhatIsNotDurableIsNotWaitedForForEverByWhomNobodyNeeds) {
  SessionFake fake({{.hangs_hurried = true}}, /*durable=*/true);
  TrainingClient client = fake.Client();
  const Dataset data = TenNumbers();
  SampleFeed feed(data, 1, 4, std::nullopt);
  ResumingTrainOptions options;
  options.give_up = [] { return true; };
  auto run = TrainingRun::Open(client, fake.session(), feed, options, nullptr,
                               std::chrono::milliseconds(100));
  ASSERT_TRUE(run.ok()) << run.status();
  // A call that was cancelled ends a moment later.
  std::thread server([&fake] {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    while (!fake.LetGo()) std::this_thread::yield();
  });
  LiveLine line{Terminal()};
  Progress progress(line, {});
  const absl::Status status = (*run)->Epoch("epoch", progress).status();
  server.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("interrupted after 8 steps, and nothing was answered"));
}

}  // namespace
}  // namespace backprop::cli
