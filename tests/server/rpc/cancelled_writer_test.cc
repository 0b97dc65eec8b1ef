// SPDX-License-Identifier: Apache-2.0
//
// A Train stream that its client cancelled stands in nobody's way.
#include <atomic>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

// Short answers: the queue of those not read holds up no turn, and those of
// large batches are below gRPC's limit.
v1::TrainOptions WithoutDeltas() {
  v1::TrainOptions options;
  options.set_deltas(v1::DELTA_DETAIL_NONE);
  return options;
}

class CancelledWriterTest : public ServiceTest {
 protected:
  bool HasWriter(const v1::Session& session) {
    return Get(session.session_id()).has_writer();
  }

  // Opens a stream as soon as the session takes one.
  std::unique_ptr<TrainCall> OpenNext(const v1::Session& session) {
    std::unique_ptr<TrainCall> call;
    EXPECT_TRUE(Eventually([&] {
      call = std::make_unique<TrainCall>(stub(), session, WithoutDeltas());
      refused_ += !call->opening().has_value();
      return call->opening().has_value();
    }));
    return call;
  }

  std::mt19937 random_{29};
  int refused_ = 0;  // openings that came too early
};
BACKPROP_OVER_BOTH_TRANSPORTS(CancelledWriterTest);

// Steps of a session, each far longer than a call takes, one after the other
// until it is destroyed.
class LongSteps {
 public:
  LongSteps(v1::TrainingService::Stub& stub, const v1::Session& session)
      : call_(stub, session, WithoutDeltas()) {
    std::mt19937 random(31);
    const v1::TrainRequest samples =
        RandomSamples(session, session.spec().batch_size(), random);
    thread_ = std::thread([this, samples] {
      // One more than is answered, so that the pool is never without.
      call_.Write(samples);
      while (!done_ && call_.Write(samples) && call_.Read()) {
      }
    });
  }
  ~LongSteps() {
    done_ = true;
    thread_.join();
    call_.Cancel();
  }

 private:
  TrainCall call_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

TEST_P(CancelledWriterTest, ItsPlaceIsFreeWhileItsTurnStillWaits) {
  ServerOptions options = SmallLimits();
  options.compute_threads = 1;
  StartServer(options);
  v1::SessionSpec slow = Spec(512, {2048, 512, 64});
  slow.set_batch_size(1500);
  slow.mutable_optimiser()->set_learning_rate(1e-6);
  const v1::Session other = Create(slow);
  const v1::Session session = Create(Spec(64, {64, 4}));
  const v1::TrainRequest samples = RandomSamples(session, 12000, random_);
  const LongSteps steps(stub(), other);
  const auto step = [&] { return Get(other.session_id()).step(); };
  // Its turns come between the other session's steps, so one of them waits at
  // nearly any moment: a place that is free before the step under way has ended
  // has not waited for that turn. It may always happen that the step ends just
  // then, so some tries are granted.
  int free_at_once = 0;
  for (int tries = 0; tries < 60 && free_at_once < 3; ++tries) {
    const auto call = OpenNext(session);
    ASSERT_TRUE(call->Write(samples));
    ASSERT_TRUE(call->ReadPart());  // it is within the message
    const uint64_t before = step();
    call->Cancel();
    ASSERT_TRUE(Eventually([&] { return !HasWriter(session); }));
    free_at_once += step() == before;
  }
  EXPECT_EQ(free_at_once, 3);
  EXPECT_TRUE(HasWriter(other)) << "its steps ended before the test";
  EXPECT_GT(step(), 0u);
}

TEST_P(CancelledWriterTest, NothingOfItIsAppliedAfterTheNextStreamsOpening) {
  const v1::Session session = Create(Spec(16, {16, 4}));
  const v1::TrainRequest many = RandomSamples(session, 5000, random_);
  const v1::TrainRequest one = RandomSamples(session, 1, random_);
  for (int round = 0; round < 50; ++round) {
    const auto call = OpenNext(session);
    ASSERT_TRUE(call->Write(many));
    if (round % 2 == 0) {
      ASSERT_TRUE(call->ReadPart());
    }
    call->Cancel();
    const auto next = OpenNext(session);
    v1::TrainRequest request = one;
    request.set_offset(next->opening()->next_offset());
    const v1::TrainResponse answer = next->Exchange(request);
    EXPECT_FALSE(answer.has_rejection());
    EXPECT_EQ(answer.skipped_samples(), 0u);
    EXPECT_EQ(answer.step(), next->opening()->step() + 1);
    EXPECT_TRUE(next->Finish().ok());
    EXPECT_EQ(Get(session.session_id()).step(), answer.step());
  }
  RecordProperty("refused", refused_);  // to look at: the client may be faster
}

TEST_P(CancelledWriterTest, ItsSessionCanBeDeleted) {
  const v1::Session session = Create(Spec(16, {16, 4}));
  const auto call = OpenNext(session);
  ASSERT_TRUE(call->Write(RandomSamples(session, 5000, random_)));
  call->Cancel();
  EXPECT_TRUE(Eventually([&] { return Delete(session.session_id()).ok(); }));
}

}  // namespace
}  // namespace backprop::testing
