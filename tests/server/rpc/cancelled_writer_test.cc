// SPDX-License-Identifier: Apache-2.0
//
// A Train stream that its client cancelled stands in nobody's way.
#include <memory>
#include <random>

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

TEST_F(CancelledWriterTest, NothingOfItIsAppliedAfterTheNextStreamsOpening) {
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
    EXPECT_EQ(Get(session).step(), answer.step());
  }
  RecordProperty("refused", refused_);  // to look at: the client may be faster
}

TEST_F(CancelledWriterTest, ItsSessionCanBeDeleted) {
  const v1::Session session = Create(Spec(16, {16, 4}));
  const auto call = OpenNext(session);
  ASSERT_TRUE(call->Write(RandomSamples(session, 5000, random_)));
  call->Cancel();
  EXPECT_TRUE(Eventually([&] { return Delete(session).ok(); }));
}

}  // namespace
}  // namespace backprop::testing
