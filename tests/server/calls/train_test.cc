// SPDX-License-Identifier: Apache-2.0
#include "server/calls/train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/contract/digest.h"
#include "engine/random/initialiser.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/worker.h"
#include "tests/server/allocation_limit.h"

namespace backprop {
namespace {

constexpr size_t kInputs = 16;
constexpr size_t kOutputs = 4;

std::shared_ptr<Session> MakeSession(uint64_t seed, size_t batch_size = 1,
                                     uint64_t learn_samples = 0) {
  SessionSpec spec;
  spec.batch_size = batch_size;
  spec.learn_samples = learn_samples;
  spec.network.input_size = kInputs;
  spec.network.layers = {{8, Activation::kTanh},
                         {kOutputs, Activation::kIdentity}};
  spec.delta_forms.resize(2);
  spec.schedule.learning_rate = 0.05F;
  const std::vector<size_t> sizes = {8, kOutputs};
  Layout layout = Layout::Create(kInputs, sizes, batch_size, 10'000).value();
  auto session = std::make_shared<Session>(
      SessionBirth{.id = "s"}, std::move(spec), std::move(layout),
      std::make_shared<DeltaFeed>(0, [](const auto&) {}));
  Initialise({.seed = seed}, session->layout(), session->weights());
  return session;
}

// A message of n samples that depend on the seed.
v1::TrainRequest Message(size_t n, uint64_t seed) {
  std::vector<float> inputs(n * kInputs);
  std::vector<float> targets(n * kOutputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = static_cast<float>((i * 37 + seed) % 19) / 19 - 0.5F;
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    targets[i] = static_cast<float>((i * 11 + seed) % 7) / 7;
  }
  v1::TrainRequest request;
  request.set_inputs(inputs.data(), inputs.size() * sizeof(float));
  request.set_targets(targets.data(), targets.size() * sizeof(float));
  return request;
}

// Drives one session's messages through the pool, a part a turn, as a Train
// stream does, and follows it with a replica.
class Driver : public std::enable_shared_from_this<Driver> {
 public:
  Driver(ComputePool& pool, Metrics& metrics, std::latch& finished,
         uint64_t seed, int messages)
      : pool_(pool),
        finished_(finished),
        seed_(seed),
        session_(MakeSession(seed)),
        trainer_(session_, {}, {}, metrics),
        replica_(session_->weights().begin(), session_->weights().end()),
        left_(messages) {}

  void Go() {
    pool_.Submit(session_->lane(), [self = shared_from_this()](Worker& worker) {
      self->Turn(worker);
    });
  }

  uint64_t server_digest() { return session_->WeightsDigest(); }
  uint64_t replica_digest() const { return Digest(replica_); }
  Progress progress() const { return session_->progress(); }

 private:
  void Turn(Worker& worker) {
    if (!in_message_) {
      trainer_.request() = Message(2000, seed_);
      trainer_.Begin(1);
      sample_ = 0;
    }
    v1::TrainResponse response;
    EXPECT_TRUE(trainer_.Next(worker, &response).ok());
    EXPECT_FALSE(response.has_rejection());
    Apply(response);
    in_message_ = !response.message_done();
    if (!in_message_ && --left_ == 0) {
      finished_.count_down();
    } else {
      Go();
    }
  }

  void Apply(const v1::TrainResponse& response) {
    const Layout& layout = session_->layout();
    const size_t steps = response.step() - response.base_step();
    std::vector<float> deltas(steps * layout.delta_row_length());
    ASSERT_EQ(response.deltas().size(), deltas.size() * sizeof(float));
    std::memcpy(deltas.data(), response.deltas().data(),
                response.deltas().size());
    std::vector<float> x(kInputs);
    for (size_t s = 0; s < steps; ++s, ++sample_) {
      const std::string_view inputs = trainer_.request().inputs();
      std::memcpy(x.data(), inputs.data() + sample_ * kInputs * sizeof(float),
                  kInputs * sizeof(float));
      const auto row = std::span(deltas).subspan(s * layout.delta_row_length(),
                                                 layout.delta_row_length());
      ApplyDelta(layout, {response.base_step() + s + 1, row, x, {}}, replica_,
                 {});
    }
  }

  ComputePool& pool_;
  std::latch& finished_;
  const uint64_t seed_;
  const std::shared_ptr<Session> session_;
  MessageTrainer trainer_;
  std::vector<float> replica_;
  int left_;
  bool in_message_ = false;
  size_t sample_ = 0;
};

TEST(MessageTrainerTest, SessionsThatShareThreadsDoNotDisturbEachOther) {
  constexpr int kSessions = 8;
  constexpr int kMessages = 3;
  Metrics metrics;
  std::latch finished(kSessions);
  std::vector<std::shared_ptr<Driver>> drivers;
  {
    ComputePool pool(3, [](double) {});
    for (uint64_t seed = 0; seed < kSessions; ++seed) {
      drivers.push_back(
          std::make_shared<Driver>(pool, metrics, finished, seed, kMessages));
      drivers.back()->Go();
    }
    // Others may ask for progress while it trains.
    while (!finished.try_wait()) {
      for (const auto& driver : drivers) {
        EXPECT_LE(driver->progress().step, 2000u * kMessages);
      }
      std::this_thread::yield();
    }
  }
  for (const auto& driver : drivers) {
    EXPECT_EQ(driver->progress().next_offset, 2000u * kMessages);
    EXPECT_EQ(driver->server_digest(), driver->replica_digest());
  }
}

TEST(MessageTrainerTest, ALargeRequestIsFreedAtItsEndAndASmallOneKept) {
  Metrics metrics;
  MessageTrainer trainer(MakeSession(1), {}, {}, metrics);
  Worker worker;
  for (const size_t samples : {5000u, 5u}) {
    trainer.request() = Message(samples, 1);
    trainer.Begin(1);
    v1::TrainResponse response;
    while (!response.message_done()) {
      ASSERT_TRUE(trainer.Next(worker, &response).ok());
    }
    trainer.End();
    EXPECT_LT(trainer.request().SpaceUsedLong(), 64u * 1024);
    EXPECT_EQ(trainer.request().inputs().empty(), samples == 5000);
  }
}

TEST(MessageTrainerTest, ALongMessageIsAnsweredInParts) {
  Metrics metrics;
  MessageTrainer trainer(MakeSession(1), {}, {}, metrics);
  Worker worker;
  trainer.request() = Message(5000, 1);
  trainer.Begin(1);
  int parts = 0;
  uint64_t step = 0;
  bool done = false;
  while (!done) {
    v1::TrainResponse response;
    EXPECT_TRUE(trainer.Next(worker, &response).ok());
    EXPECT_EQ(response.base_step(), step);
    EXPECT_LT(response.ByteSizeLong(), 1u << 20);
    step = response.step();
    done = response.message_done();
    ++parts;
  }
  EXPECT_EQ(step, 5000u);
  EXPECT_GT(parts, 1);
}

// The answer's parts, without what tells which are held.
std::vector<std::string> PartsOf(MessageTrainer& trainer, Worker& worker,
                                 size_t most, std::vector<bool>* held) {
  std::vector<std::string> parts;
  for (bool done = false; !done && parts.size() < most;) {
    v1::TrainResponse response;
    EXPECT_TRUE(trainer.Next(worker, &response).ok());
    done = response.message_done();
    EXPECT_EQ(response.skipped_samples(), 0u);
    held->push_back(response.held());
    response.clear_held();
    parts.push_back(response.SerializeAsString());
  }
  return parts;
}

TEST(MessageTrainerTest, AMessageCutBetweenItsPartsIsAnsweredToItsEnd) {
  constexpr size_t kMuch = size_t{1} << 30;
  constexpr size_t kCut = 2;
  constexpr size_t kSamples = 10'000;
  Metrics metrics;
  Worker worker;
  v1::TrainRequest message = Message(kSamples, 1);
  message.set_offset(0);
  std::vector<bool> held;
  const auto answer = [&](const std::shared_ptr<Session>& session,
                          size_t most) {
    MessageTrainer trainer(session, {}, {kMuch}, metrics);
    trainer.request() = message;
    trainer.Begin(1);
    return PartsOf(trainer, worker, most, &held);
  };
  const std::vector<std::string> whole = answer(MakeSession(1), 100);
  ASSERT_GT(whole.size(), kCut + 1);
  const auto session = MakeSession(1);
  answer(session, kCut);
  for (const size_t before : {kCut, whole.size()}) {
    held.clear();
    EXPECT_EQ(answer(session, 100), whole);
    std::vector<bool> expected(whole.size(), false);
    std::fill_n(expected.begin(), before, true);
    EXPECT_EQ(held, expected);
  }
  EXPECT_EQ(session->progress().step, kSamples);
}

TEST(MessageTrainerTest, APartWhoseAnswerCanNotBeHeldIsAnswered) {
  constexpr size_t kSamples = 5000;  // two parts
  Metrics metrics;
  Worker worker;
  const auto session = MakeSession(1);
  MessageTrainer trainer(session, {}, {size_t{1} << 30}, metrics);
  v1::TrainResponse response;
  const auto begin = [&](uint64_t offset) {
    trainer.request() = Message(kSamples, offset);
    trainer.request().set_offset(offset);
    trainer.Begin(1);
  };
  const auto answer = [&] {
    response.Clear();
    EXPECT_TRUE(trainer.Next(worker, &response).ok());
    EXPECT_FALSE(response.has_rejection());
    return response.message_done();
  };
  begin(0);
  EXPECT_FALSE(answer());
  EXPECT_TRUE(answer());
  begin(kSamples);
  EXPECT_FALSE(answer());
  {
    // For other threads than this one. All but what is held has its room.
    const testing::AllocationLimit limit(20'000);
    std::thread([&] { EXPECT_TRUE(answer()); }).join();
  }
  EXPECT_GT(response.errors_size(), 0);
  EXPECT_EQ(session->progress().step, 2 * kSamples);
  begin(0);
  EXPECT_FALSE(answer());
  EXPECT_TRUE(response.held());
  begin(kSamples);
  EXPECT_TRUE(answer());
  EXPECT_EQ(response.skipped_samples(), kSamples) << "not one half of it";
}

TEST(MessageTrainerTest, AnAnswerThatWasHeldIsTheOneThatIsSent) {
  Metrics metrics;
  Worker worker;
  const auto session = MakeSession(1);
  MessageTrainer trainer(session, {}, {size_t{1} << 20}, metrics);
  trainer.request() = Message(3, 1);
  trainer.request().set_offset(0);
  for (const bool again : {false, true}) {
    trainer.Begin(1);
    v1::TrainResponse response;
    EXPECT_TRUE(trainer.Next(worker, &response).ok());
    EXPECT_EQ(response.held(), again);
    const auto bytes = trainer.TakeAnswerBytes();
    EXPECT_EQ(trainer.TakeAnswerBytes(), nullptr) << "once";
    if (again) {
      EXPECT_EQ(bytes, nullptr) << "it says what is now";
      continue;
    }
    EXPECT_EQ(bytes, session->held_answers().At(0).bytes);
    EXPECT_EQ(*bytes, response.SerializeAsString());
  }
}

TEST(MessageTrainerTest, AHeldAnswerThatCanNotBeReadEndsTheStream) {
  Metrics metrics;
  Worker worker;
  const auto session = MakeSession(1);
  MessageTrainer trainer(session, {}, {size_t{1} << 20}, metrics);
  trainer.request() = Message(3, 1);
  trainer.request().set_offset(0);
  const auto answer = [&](v1::TrainResponse* response) {
    trainer.Begin(1);
    response->Clear();
    return trainer.Next(worker, response);
  };
  v1::TrainResponse response;
  ASSERT_TRUE(answer(&response).ok());
  HeldAnswer damaged = session->held_answers().At(0);
  damaged.bytes = std::make_shared<const std::string>("\x0b\xff");
  session->held_answers().Add(0, damaged, {size_t{1} << 20});
  EXPECT_EQ(answer(&response).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(answer(&response).ok());
  EXPECT_EQ(response.skipped_samples(), 3u);
  EXPECT_EQ(session->progress().step, 3u);
}

TEST(MessageTrainerTest, AnswersThatAreLetGoOfInTheMidstEndTheStream) {
  Metrics metrics;
  Worker worker;
  const auto session = MakeSession(1);
  MessageTrainer trainer(session, {}, {size_t{1} << 30}, metrics);
  trainer.request() = Message(5000, 1);
  trainer.request().set_offset(0);
  v1::TrainResponse response;
  trainer.Begin(1);
  while (!response.message_done()) {
    response.Clear();
    ASSERT_TRUE(trainer.Next(worker, &response).ok());
  }
  trainer.Begin(2);
  response.Clear();
  ASSERT_TRUE(trainer.Next(worker, &response).ok());
  ASSERT_TRUE(response.held());
  ASSERT_FALSE(response.message_done());
  session->held_answers().Clear();
  response.Clear();
  EXPECT_EQ(trainer.Next(worker, &response).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(session->progress().step, 5000u);
}

// Between two parts others may take an anchor, from which messages of whole
// steps' samples must be able to go on.
TEST(MessageTrainerTest, StandardisationIsLearntFromWholeStepsSamplesAPart) {
  constexpr size_t kBatch = 3;
  constexpr size_t kSamples = 60'000;
  Metrics metrics;
  const auto session = MakeSession(1, kBatch, kSamples);
  MessageTrainer trainer(session, {}, {}, metrics);
  Worker worker;
  trainer.request() = Message(kSamples, 1);
  trainer.Begin(1);
  int parts = 0;
  v1::TrainResponse response;
  while (!response.message_done()) {
    EXPECT_TRUE(trainer.Next(worker, &response).ok());
    EXPECT_EQ(session->progress().next_offset % kBatch, 0u);
    ++parts;
  }
  EXPECT_GT(parts, 2);
  EXPECT_EQ(session->progress().next_offset, kSamples);
}

}  // namespace
}  // namespace backprop
