// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tests/engine/input_rows.h"

namespace backprop {
namespace {

constexpr size_t kInputs = 3;

std::unique_ptr<Session> MakeSession(uint64_t learn_samples) {
  SessionSpec spec;
  spec.network.input_size = kInputs;
  spec.network.layers = {{2, Activation::kIdentity}};
  spec.delta_forms.resize(1);
  spec.schedule.learning_rate = 0.25F;
  spec.learn_samples = learn_samples;
  const std::vector<size_t> sizes = {2};
  Layout layout = Layout::Create(kInputs, sizes, 1, 1000).value();
  return std::make_unique<Session>(
      SessionBirth{.id = "s"}, std::move(spec), std::move(layout),
      std::make_shared<DeltaFeed>(0, [](const auto&) {}));
}

// What others are told is what the turn has.
void ExpectPublished(const Session& session) {
  const InTurn& at = session.in_turn();
  const SessionMoment moment = session.moment();
  EXPECT_EQ(session.spec(), at.spec);
  EXPECT_EQ(moment.spec, at.spec);
  EXPECT_EQ(session.progress().step, at.progress.step);
  EXPECT_EQ(session.progress().next_offset, at.progress.next_offset);
  EXPECT_EQ(moment.progress.step, at.progress.step);
  EXPECT_EQ(moment.progress.next_offset, at.progress.next_offset);
}

// Trains on n samples of 1s.
TrainOutcome TrainOn(Session& session, size_t n) {
  const Layout& layout = session.layout();
  const std::vector<float> inputs(n * kInputs, 1.0F);
  const std::vector<float> targets(n * layout.output_size(), 1.0F);
  std::vector<float> errors(n);
  std::vector<float> deltas(n * layout.delta_row_length());
  const testing::InputRows rows(layout, inputs);
  TrainRun run;
  run.inputs = rows.rows();
  run.targets = targets;
  run.errors = errors;
  run.deltas = deltas;
  Trainer trainer;
  return session.Train(trainer, run);
}

TEST(SessionTest, ANewSessionIsPublished) {
  const auto session = MakeSession(0);
  ExpectPublished(*session);
  EXPECT_EQ(session->in_turn().progress.step, 0u);
  EXPECT_EQ(session->moment().learning_rate, 0.25F);
}

TEST(SessionTest, TrainingIsSeenInTheTurnAndByOthers) {
  const auto session = MakeSession(0);
  const InTurn& at = session->in_turn();
  const TrainOutcome outcome = TrainOn(*session, 5);
  EXPECT_EQ(outcome.before.step, 0u);
  EXPECT_EQ(outcome.after.step, 5u);
  EXPECT_EQ(at.progress.step, 5u);
  EXPECT_EQ(at.progress.next_offset, 5u);
  ExpectPublished(*session);
}

TEST(SessionTest, AnUpdateIsPublishedAndWhatWasGotStaysAsItIs) {
  const auto session = MakeSession(0);
  const auto before = session->spec();
  SessionSpec faster = *before;
  faster.schedule.learning_rate = 0.5F;
  session->Update(faster, /*restarts_schedule=*/true);
  ExpectPublished(*session);
  EXPECT_EQ(session->moment().learning_rate, 0.5F);
  EXPECT_EQ(before->schedule.learning_rate, 0.25F);
}

TEST(SessionTest, WhatIsLearntIsPublishedWithItsLastSample) {
  const auto session = MakeSession(4);
  session->Learn(std::vector<float>{1, 2, 3, 2, 3, 4});
  ExpectPublished(*session);
  EXPECT_TRUE(AwaitsStandardisation(*session->spec()));
  EXPECT_EQ(session->samples_to_learn(), 2u);
  session->Learn(std::vector<float>{3, 4, 5, 4, 5, 6});
  ExpectPublished(*session);
  EXPECT_FALSE(AwaitsStandardisation(*session->spec()));
  EXPECT_EQ(session->progress().next_offset, 4u);
  EXPECT_EQ(session->spec()->input.mean,
            (std::vector<float>{2.5F, 3.5F, 4.5F}));
}

}  // namespace
}  // namespace backprop
