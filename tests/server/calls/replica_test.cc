// SPDX-License-Identifier: Apache-2.0
//
// A replica that starts from an anchor and applies every answer has the
// server's weights, bit for bit.
#include <algorithm>
#include <random>
#include <set>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

constexpr uint64_t kSteps = 10'000;

class ReplicaTest : public ServiceTest {
 protected:
  // Trains kSteps random steps in messages of random length and compares every
  // digest that the server sends, and all weights at the end.
  void TrainAndCompare(const v1::SessionSpec& spec) {
    const v1::Session session = Create(spec);
    v1::GetWeightsResponse anchor;
    ReferenceReplica replica(session, Weights(session, &anchor));
    std::mt19937 random(5);
    TrainCall call(stub(), session);
    const size_t batch = session.spec().batch_size();
    uint64_t digests = 0;
    while (replica.step() < kSteps && !HasFatalFailure()) {
      const size_t steps =
          std::min<size_t>(1 + random() % 60, kSteps - replica.step());
      v1::TrainRequest request = RandomSamples(session, steps * batch, random);
      request.set_want_digest(random() % 10 == 0);
      const v1::TrainResponse answer = call.Exchange(request);
      ASSERT_FALSE(answer.has_rejection())
          << answer.rejection().ShortDebugString();
      replica.Apply(request, answer);
      for (const v1::StepDigest& digest : answer.digests()) {
        if (digest.step() != replica.step()) continue;
        ASSERT_EQ(digest.digest(), replica.digest())
            << "after step " << digest.step();
        ++digests;
      }
    }
    EXPECT_GT(digests, 10u);
    v1::GetWeightsResponse end;
    const std::vector<float> weights = Weights(session, &end);
    EXPECT_EQ(end.step(), kSteps);
    EXPECT_EQ(end.next_offset(), kSteps * batch);
    EXPECT_EQ(Bytes(weights), Bytes(replica.weights()));
    EXPECT_EQ(end.digest(), replica.digest());
    EXPECT_NE(end.digest(), anchor.digest());
  }
};

TEST_F(ReplicaTest, OneLayerEqualsTheServerAfterTenThousandSteps) {
  TrainAndCompare(Spec(12, {6}));
}

TEST_F(ReplicaTest, ThreeLayersOnBytesEqualTheServerAfterTenThousandSteps) {
  TrainAndCompare(With(With(Spec(16, {16, 8, 3}), kScaledBytes),
                       "layers {activation: ACTIVATION_RELU}"));
}

TEST_F(ReplicaTest, FiveLayersInBatchesEqualTheServerAfterTenThousandSteps) {
  const v1::SessionSpec spec =
      With(Spec(20, {16, 16, 12, 12, 3}),
           "layers {} layers {} layers {activation: ACTIVATION_SIGMOID} "
           "batch_size: 3");
  const v1::Session session = Create(spec);
  std::set<v1::DeltaForm> forms;
  for (const auto& layer : session.layout().layers()) {
    forms.insert(layer.delta_form());
  }
  EXPECT_EQ(forms.size(), 2u) << "the net should have layers of both forms";
  TrainAndCompare(spec);
}

}  // namespace
}  // namespace backprop::testing
