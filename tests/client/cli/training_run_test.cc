// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/training_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/client/cpp/session_fake.h"
#include "tests/float_bytes.h"

namespace backprop::cli {
namespace {

using backprop::testing::SessionFake;
using ::testing::ElementsAre;

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

}  // namespace
}  // namespace backprop::cli
