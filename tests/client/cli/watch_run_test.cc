// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/watch_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/training_stub.h"
#include "engine/contract/digest.h"
#include "tests/client/cpp/session_message.h"
#include "tests/client/mock_reader.h"
#include "tests/client/mock_stub.h"

namespace backprop::cli {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::Invoke;

constexpr auto kPatience = std::chrono::seconds(30);

// One weight and one bias, whose delta travels in full.
v1::WatchDeltasResponse Step(uint64_t step, float delta) {
  v1::WatchDeltasResponse response;
  response.set_base_step(step - 1);
  response.set_step(step);
  response.add_errors(0.5F);
  response.set_deltas(testing::Bytes({delta, 0}));
  return response;
}

// Whole, in one chunk.
v1::WatchDeltasResponse Anchor(uint64_t step,
                               const std::vector<float>& weights) {
  v1::WatchDeltasResponse response;
  response.set_base_step(step);
  response.set_step(step);
  response.set_anchor_done(true);
  v1::GetWeightsResponse* chunk = response.mutable_anchor();
  chunk->set_step(step);
  chunk->set_weight_count(weights.size());
  chunk->set_digest(Digest(weights));
  chunk->set_weights(testing::Bytes(weights));
  return response;
}

// A step whose weights must be these.
v1::WatchDeltasResponse CheckedStep(uint64_t step, float delta,
                                    const std::vector<float>& weights) {
  v1::WatchDeltasResponse response = Step(step, delta);
  testing::AddDigest(step, Digest(weights), &response);
  return response;
}

class WatchRunTest : public ::testing::Test {
 protected:
  // What the server tells the watcher.
  void Serve(const std::vector<v1::WatchDeltasResponse>& responses,
             const grpc::Status& status = grpc::Status()) {
    EXPECT_CALL(*stub_, WatchDeltasRaw(_, _))
        .WillOnce(Invoke([=](auto*, const v1::WatchDeltasRequest& request) {
          EXPECT_FALSE(request.has_after_step());
          EXPECT_TRUE(request.with_anchor());
          return backprop::testing::ReaderOf(responses, status)
              .release();  // the client takes it
        }));
  }

  WatchProgress RunToEnd(std::optional<uint64_t> until_step = std::nullopt) {
    TrainingClient client(TrainingStub{stub_});
    WatchRun run(client, session_, until_step, retry_);
    const WatchProgress end = run.Wait(kPatience);
    EXPECT_TRUE(end.ended);
    return end;
  }

  // Calls one after another, each with what the server says in it; what each
  // asked for is kept.
  void ServeOneAfterAnother(
      const std::vector<std::vector<v1::WatchDeltasResponse>>& calls) {
    retry_ = {.first = std::chrono::milliseconds(1),
              .longest = std::chrono::milliseconds(1)};
    EXPECT_CALL(*stub_, WatchDeltasRaw(_, _))
        .WillRepeatedly(
            Invoke([=, this](auto*, const v1::WatchDeltasRequest& request) {
              const size_t call = requests_.size();
              requests_.push_back(request);
              return backprop::testing::ReaderOf(
                         call < calls.size()
                             ? calls[call]
                             : std::vector<v1::WatchDeltasResponse>(),
                         grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"))
                  .release();  // the client takes it
            }));
  }

  v1::Session session_ = testing::SessionMessage(1, {1});
  RetryPolicy retry_{.within = std::chrono::milliseconds(0)};
  std::vector<v1::WatchDeltasRequest> requests_;
  std::shared_ptr<backprop::testing::MockStub> stub_ =
      backprop::testing::NewMockStub();
};

TEST_F(WatchRunTest, FollowsUntilTheServersLastWord) {
  Serve({Anchor(5, {1, 3}), Step(6, 1), CheckedStep(7, 0.5F, {2.5F, 3}),
         backprop::testing::Parsed<v1::WatchDeltasResponse>(
             "session_deleted: true")});
  const WatchProgress end = RunToEnd();
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.end, WatchEnd::kSessionDeleted);
  EXPECT_EQ(end.step, 7U);
  EXPECT_EQ(end.steps, 2U);
  EXPECT_EQ(end.digests, 1U);
  EXPECT_EQ(end.error_sum, 1);
}

TEST_F(WatchRunTest, StopsAtTheStepThatWasAskedFor) {
  // Reading on would find the stream ended without a reason.
  Serve({Anchor(5, {1, 3}), Step(6, 1), Step(7, 1)});
  const WatchProgress end = RunToEnd(7);
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.step, 7U);
}

TEST_F(WatchRunTest, DigestThatDiffersEndsIt) {
  Serve({Anchor(5, {1, 3}), CheckedStep(6, 0.5F, {9, 9})});
  const WatchProgress end = RunToEnd();
  EXPECT_EQ(end.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(end.status.message()), HasSubstr("replica: "));
  EXPECT_EQ(end.digests, 0U);
}

TEST_F(WatchRunTest, GoesOnFromAnAnchorThatComesAmongSteps) {
  Serve({Anchor(5, {1, 3}), Step(6, 1), Anchor(90, {7, 3}),
         CheckedStep(91, 1, {8, 3})});
  const WatchProgress end = RunToEnd(91);
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.resyncs, 1U);
  EXPECT_EQ(end.steps, 2U);
  EXPECT_EQ(end.digests, 1U);
}

TEST_F(WatchRunTest, AnAnchorAloneReachesTheStep) {
  Serve({Anchor(5, {1, 3}), Anchor(90, {7, 3})});
  const WatchProgress end = RunToEnd(80);
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.step, 90U);
  EXPECT_EQ(end.steps, 0U);
}

TEST_F(WatchRunTest, AnAnchorThatDoesNotFitEndsIt) {
  Serve({Anchor(5, {1, 3, 2})});
  const WatchProgress end = RunToEnd();
  EXPECT_EQ(end.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(end.status.message()), HasSubstr("replica: "));
}

v1::WatchDeltasResponse OfEpoch(uint64_t epoch,
                                v1::WatchDeltasResponse response) {
  response.set_epoch(epoch);
  return response;
}

TEST_F(WatchRunTest, GoesOnWhereTheConnectionBrokeWithItsStepAndEpoch) {
  ServeOneAfterAnother({{OfEpoch(3, Anchor(5, {1, 3})), OfEpoch(3, Step(6, 1))},
                        {},
                        {OfEpoch(3, CheckedStep(7, 0.5F, {2.5F, 3}))}});
  const WatchProgress end = RunToEnd(7);
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.digests, 1U);
  EXPECT_EQ(end.reconnects, 1U);
  ASSERT_EQ(requests_.size(), 3U);
  EXPECT_EQ(requests_[2].after_step(), 6U);
  EXPECT_EQ(requests_[2].epoch(), 3U);
  EXPECT_TRUE(requests_[2].with_anchor());
}

TEST_F(WatchRunTest, TakenBackStepsAreFollowedAnewFromAnAnchor) {
  v1::WatchDeltasResponse half = OfEpoch(4, Anchor(6, {7, 3}));
  half.set_anchor_done(false);
  half.mutable_anchor()->set_weights(testing::Bytes({7}));
  ServeOneAfterAnother(
      {{OfEpoch(3, Anchor(5, {1, 3})), OfEpoch(3, Step(6, 1)),
        OfEpoch(3, Step(7, 1))},
       {half},
       {OfEpoch(4, Anchor(6, {7, 3})), OfEpoch(4, CheckedStep(7, 1, {8, 3})),
        OfEpoch(4, CheckedStep(8, 1, {9, 3}))}});
  const WatchProgress end = RunToEnd(8);
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.digests, 2U);
  ASSERT_EQ(requests_.size(), 3U);
  EXPECT_EQ(requests_[2].after_step(), 7U);
  EXPECT_EQ(requests_[2].epoch(), 3U);  // the anchor was not whole
}

TEST_F(WatchRunTest, GoodbyeOfADurableSessionIsNoEnd) {
  session_.mutable_spec()->mutable_durability()->set_mode(
      v1::DURABILITY_MODE_DURABLE);
  ServeOneAfterAnother(
      {{Anchor(5, {1, 3}), backprop::testing::Parsed<v1::WatchDeltasResponse>(
                               "base_step: 5 step: 5 goodbye: true")},
       {Step(6, 1)}});
  const WatchProgress end = RunToEnd(6);
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.step, 6U);
}

TEST_F(WatchRunTest, GivesUpWhereTheServerDoesNotComeBack) {
  ServeOneAfterAnother({{Anchor(5, {1, 3})}});
  retry_.within = std::chrono::milliseconds(30);
  EXPECT_EQ(RunToEnd().status.code(), absl::StatusCode::kUnavailable);
  EXPECT_GE(requests_.size(), 2U);
}

TEST_F(WatchRunTest, ServersErrorEndsIt) {
  Serve({}, grpc::Status(grpc::StatusCode::NOT_FOUND, "no such"));
  EXPECT_EQ(RunToEnd().status.code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace backprop::cli
