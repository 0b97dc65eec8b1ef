// SPDX-License-Identifier: Apache-2.0
//
// Every optimiser over the wire: a replica that follows delta.proto (7) has the
// server's weights and state, bit for bit, after 1,000 random steps.
#include <algorithm>
#include <random>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

constexpr uint64_t kSteps = 1000;

struct Case {
  const char* name;
  const char* optimiser;
  uint32_t state_count;
  uint32_t scalar_count;
};

const Case kCases[] = {
    {"plain", "sgd {}", 0, 0},
    {"plain, clipped by norm", "sgd {} clipping {max_norm: 0.5}", 0, 0},
    {"decay", "sgd {} l2: 0.01 l1: 0.001 decoupled_decay: 0.1", 0, 6},
    {"momentum", "sgd {momentum: 0.9}", 1, 6},
    {"Nesterov", "sgd {momentum: 0.9 nesterov: true} l2: 0.001", 1, 6},
    {"Adagrad", "adagrad {}", 1, 6},
    {"RMSprop", "rms_prop {}", 1, 8},
    {"Adam", "adam {}", 2, 10},
    {"Lion", "lion {}", 1, 9},
    {"Lion with everything",
     "lion {beta1: 0.8 beta2: 0.95} l2: 0.001 l1: 0.0001 decoupled_decay: 0.1 "
     "clipping {max_norm: 0.7 max_value: 0.05}",
     1, 9},
    {"AdamW with everything",
     "adam {beta1: 0.8 beta2: 0.99 epsilon: 1e-6} l2: 0.001 l1: 0.0001 "
     "decoupled_decay: 0.01 clipping {max_norm: 0.7 max_value: 0.05} "
     "schedule {cosine {period_steps: 300 restarts: true} warmup_steps: 50}",
     2, 10},
};

class OptimiserReplicaTest : public ServiceTest {
 protected:
  void TrainWithEach(const v1::SessionSpec& spec) {
    for (const Case& entry : kCases) {
      SCOPED_TRACE(entry.name);
      TrainAndCompare(spec, entry);
    }
  }

  void TrainAndCompare(v1::SessionSpec spec, const Case& entry) {
    *spec.mutable_optimiser() = Parsed<v1::Optimiser>(entry.optimiser);
    const v1::Session session =
        Create(With(spec, "digest_every: 64 optimiser {learning_rate: 0.003}"));
    EXPECT_EQ(session.layout().state_count(), entry.state_count);
    EXPECT_EQ(session.layout().scalar_count(), entry.scalar_count);
    EXPECT_EQ(session.layout().factor_kind(), entry.scalar_count == 0
                                                  ? v1::FACTOR_KIND_DELTA
                                                  : v1::FACTOR_KIND_GRADIENT);
    auto replica =
        ReferenceReplica::WithState(session, WeightsAndState(session));
    Train(session, &replica);
    Compare(session, replica);
  }

  void Train(const v1::Session& session, ReferenceReplica* replica) {
    std::mt19937 random(5);
    std::uniform_real_distribution<float> weight(0, 2);
    TrainCall call(stub(), session);
    const size_t batch = session.spec().batch_size();
    while (replica->step() < kSteps) {
      const size_t steps =
          std::min<size_t>(1 + random() % 60, kSteps - replica->step());
      v1::TrainRequest request = RandomSamples(session, steps * batch, random);
      if (random() % 2 == 0) {
        for (size_t i = 0; i < steps * batch; ++i) {
          request.add_sample_weights(weight(random));
        }
      }
      const v1::TrainResponse answer = call.Exchange(request);
      ASSERT_FALSE(answer.has_rejection())
          << answer.rejection().ShortDebugString();
      const bool clips = session.spec().optimiser().clipping().max_norm() != 0;
      EXPECT_EQ(static_cast<size_t>(answer.gradient_norms_size()),
                clips ? steps : 0);
      replica->Apply(request, answer);
      ASSERT_FALSE(HasFatalFailure());
      for (const v1::StepDigest& digest : answer.digests()) {
        if (digest.step() != replica->step()) continue;
        ASSERT_EQ(digest.digest(), replica->digest());
      }
    }
  }

  void Compare(const v1::Session& session, const ReferenceReplica& replica) {
    v1::GetWeightsResponse end;
    const std::vector<float> server = WeightsAndState(session, &end);
    EXPECT_EQ(end.step(), kSteps);
    EXPECT_EQ(end.digest(), replica.digest());
    const std::vector<float> ours = replica.numbers();
    ASSERT_EQ(server.size(), ours.size());
    const size_t count = session.layout().weight_count();
    for (const v1::LayerLayout& layer : session.layout().layers()) {
      if (layer.delta_form() == v1::DELTA_FORM_DENSE) continue;
      for (size_t begin = layer.weights_begin(); begin < server.size();
           begin += count) {  // weights, then each state vector
        const size_t end_of_layer = begin + layer.inputs() * layer.outputs();
        for (size_t i = begin; i < end_of_layer; ++i) {
          ASSERT_EQ(server[i], ours[i]) << "number " << i;
        }
      }
    }
  }
};

TEST_F(OptimiserReplicaTest, OneLayerEqualsTheServer) {
  TrainWithEach(Spec(9, {5}));
}

TEST_F(OptimiserReplicaTest, ThreeLayersOnStandardisedBytesEqualTheServer) {
  v1::SessionSpec spec =
      With(With(Spec(16, {12, 8, 3}), kScaledBytes),
           "layers {activation: ACTIVATION_GELU} layers {dropout: 0.25}");
  auto* standardisation = spec.mutable_input()->mutable_standardisation();
  for (int j = 0; j < 16; ++j) {
    standardisation->add_mean(0.4F + 0.01F * static_cast<float>(j));
    standardisation->add_factor(3.3F);
  }
  TrainWithEach(spec);
}

TEST_F(OptimiserReplicaTest, FiveLayersOfBothFormsInBatchesEqualTheServer) {
  TrainWithEach(With(Spec(14, {12, 12, 10, 10, 3}),
                     "batch_size: 3 layers {} "
                     "layers {activation: ACTIVATION_ELU} "
                     "layers {delta_form: DELTA_FORM_DENSE} layers {} "
                     "layers {delta_form: DELTA_FORM_FACTORED}"));
}

}  // namespace
}  // namespace backprop::testing
