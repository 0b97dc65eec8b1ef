// SPDX-License-Identifier: Apache-2.0
//
// A disk that fails, on a server that may hold little back: training waits
// for it, loses nothing, and goes on by itself.
#include <thread>

#include "tests/server/durable_service_fixture.h"
#include "tests/server/store/faulty_vfs.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using ::testing::HasSubstr;

// Less than the change that waits and an image behind it.
constexpr size_t kMostUndurable = 9'000;
// Training them takes longer than the disk takes to fail.
constexpr int kMessages = 200;
constexpr uint64_t kSteps = uint64_t{200} * kMessages;

class UndurableTest : public DurableServiceTest {
 protected:
  void SetUp() override {
    FaultyVfs::Get().Reset();
    RestartWith([](ServerOptions& options) {
      options.max_undurable_bytes = kMostUndurable;
    });
    session_ = Create(Spec(50, {40, 3}));
    for (int i = 0; i < kMessages; ++i) {
      messages_.push_back(RandomSamples(session_, 200, random_));
    }
  }
  void TearDown() override {
    FaultyVfs::Get().Heal();
    DurableServiceTest::TearDown();
  }

  static void BreakDisk() {
    FaultyVfs::Get().FailAt(1, FaultyVfs::How::kForEver);
  }
  static void MendDisk() { FaultyVfs::Get().Heal(); }

  // Nothing waits for them to be read.
  static v1::TrainOptions ShortAnswers() {
    v1::TrainOptions options;
    options.set_deltas(v1::DELTA_DETAIL_NONE);
    return options;
  }

  // Sends messages while others may read the answers. Where the test ends
  // before that is done, the call does.
  class Sender {
   public:
    Sender(TrainCall& call, const std::vector<v1::TrainRequest>& messages)
        : call_(call), thread_([&call, &messages] {
            for (const v1::TrainRequest& message : messages) {
              call.Write(message);
            }
          }) {}
    ~Sender() {
      if (thread_.joinable()) call_.Cancel();
    }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;

    void Join() { thread_.join(); }

   private:
    TrainCall& call_;
    std::jthread thread_;
  };

  // The step at which it has stood for a while, with a disk that fails.
  uint64_t StandsAt(const v1::Session& session) {
    uint64_t step = 0;
    int alike = 0;
    EXPECT_TRUE(Eventually([&] {
      const uint64_t now = Get(session).step();
      alike = now == step && now > 0 ? alike + 1 : 0;
      step = now;
      return alike == 50;
    }));
    EXPECT_LT(step, kSteps);
    return step;
  }

  uint64_t DigestOfATwin() {
    v1::SessionSpec spec = session_.spec();
    spec.mutable_durability()->Clear();
    spec.mutable_durability()->set_mode(v1::DURABILITY_MODE_MEMORY);
    const v1::Session twin = Create(spec);
    TrainCall call(stub(), twin);
    for (const auto& message : messages_) call.Exchange(message);
    EXPECT_TRUE(call.Finish().ok());
    return Digest(twin);
  }

  std::mt19937 random_{23};
  v1::Session session_;
  std::vector<v1::TrainRequest> messages_;
};

TEST_F(UndurableTest, TrainingStopsAtTheLimitAndGoesOnWhenTheDiskIsThere) {
  BreakDisk();
  TrainCall call(stub(), session_, ShortAnswers());
  Sender sender(call, messages_);
  StandsAt(session_);
  EXPECT_EQ(Get(session_).durable_step(), 0u);
  EXPECT_TRUE(Eventually([&] {
    return Metric("backprop_undurable_bytes ") >= kMostUndurable &&
           Metric("backprop_durable_delay_seconds ") > 0;
  }));
  EXPECT_EQ(Metric("backprop_max_undurable_bytes "), kMostUndurable);
  MendDisk();
  for (int i = 0; i < kMessages; ++i) {
    const auto answer = call.Read();
    ASSERT_TRUE(answer.has_value()) << i;
    EXPECT_FALSE(answer->has_rejection()) << answer->rejection().message();
  }
  sender.Join();
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_EQ(Get(session_).step(), kSteps);
  EXPECT_TRUE(
      Eventually([&] { return Get(session_).durable_step() == kSteps; }));
  EXPECT_EQ(Digest(session_), DigestOfATwin());
  EXPECT_TRUE(Eventually([&] {
    return Metric("backprop_undurable_bytes ") == 0 &&
           Metric("backprop_durable_delay_seconds ") == 0;
  }));
}

TEST_F(UndurableTest, OthersGoOnAndSingleStepsAreRefused) {
  v1::SessionSpec in_memory = Spec(3, {2});
  in_memory.mutable_durability()->set_mode(v1::DURABILITY_MODE_MEMORY);
  const v1::Session memory = Create(in_memory);
  const v1::Session other = Create(Spec(3, {2}));
  BreakDisk();
  TrainCall call(stub(), session_, ShortAnswers());
  Sender sender(call, messages_);
  StandsAt(session_);

  const char* const sample = "samples {inputs: [1, 2, 3] targets: [1, 0]}";
  const auto refused =
      Try(&Stub::TrainStep, For<v1::TrainStepRequest>(other, sample));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("--max-undurable-bytes"));
  EXPECT_EQ(Get(other).step(), 0u);
  Ask(&Stub::TrainStep, For<v1::TrainStepRequest>(memory, sample));
  EXPECT_EQ(Get(memory).step(), 1u);
  Ask(&Stub::Predict,
      PredictionOf(session_.session_id(), std::vector<float>(50, 1.0F)));
  EXPECT_EQ(Weights(session_).size(), 50u * 40 + 40 + 40 * 3 + 3);

  MendDisk();
  EXPECT_TRUE(Eventually([&] {
    return Try(&Stub::TrainStep, For<v1::TrainStepRequest>(other, sample)).ok();
  }));
  EXPECT_EQ(Get(other).step(), 1u);
  call.Cancel();
  sender.Join();
}

TEST_F(UndurableTest, AStreamThatWaitsCanBeTakenOver) {
  BreakDisk();
  TrainCall call(stub(), session_, ShortAnswers());
  Sender sender(call, messages_);
  const uint64_t step = StandsAt(session_);
  TrainCall next(stub());
  auto opening = For<v1::TrainRequest>(session_, "takeover: true");
  *opening.mutable_options() = ShortAnswers();
  ASSERT_TRUE(next.Write(opening));
  const auto opened = next.ReadPart();
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->step(), step);
  while (call.ReadPart().has_value()) {
  }
  sender.Join();
  EXPECT_THAT(call.Finish(),
              Fails(grpc::StatusCode::ABORTED, "WRITER_REPLACED"));
  Sender again(next, messages_);
  MendDisk();
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(next.Read().has_value());
  again.Join();
  EXPECT_EQ(Get(session_).step(), step + kSteps);
}

TEST_F(UndurableTest, AStreamThatWaitsCanBeCancelled) {
  BreakDisk();
  TrainCall call(stub(), session_, ShortAnswers());
  Sender sender(call, messages_);
  const uint64_t step = StandsAt(session_);
  call.Cancel();
  sender.Join();
  std::optional<TrainCall> next;
  EXPECT_TRUE(Eventually([&] {
    next.emplace(stub(), session_, ShortAnswers());
    return next->opening().has_value();
  }));
  EXPECT_EQ(next->opening()->step(), step);
  Sender again(*next, messages_);
  MendDisk();
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(next->Read().has_value());
  again.Join();
  EXPECT_EQ(Get(session_).step(), step + kSteps);
}

TEST_F(UndurableTest, AStreamThatWaitsEndsWellWhenTheServerDrains) {
  BreakDisk();
  TrainCall call(stub(), session_, ShortAnswers());
  Sender sender(call, messages_);
  StandsAt(session_);
  const auto begin = std::chrono::steady_clock::now();
  std::jthread drain([this] { server().Drain(); });
  bool goodbye = false;
  while (const auto answer = call.ReadPart()) goodbye |= answer->goodbye();
  EXPECT_TRUE(goodbye);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  sender.Join();
  EXPECT_TRUE(call.Finish().ok());
}

// What is held back goes with the sessions that hold it, after the store.
TEST_F(UndurableTest, AServerWhoseDiskFailsEnds) {
  BreakDisk();
  {
    TrainCall call(stub(), session_, ShortAnswers());
    Sender sender(call, messages_);
    StandsAt(session_);
    call.Cancel();
  }
  StartServer(SmallLimits());
  EXPECT_TRUE(TryCreate(Spec(3, {2})).ok());
}

}  // namespace
}  // namespace backprop::testing
