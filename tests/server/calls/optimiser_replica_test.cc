// SPDX-License-Identifier: Apache-2.0
//
// Every optimiser over the wire: a replica that follows delta.proto (7) has the
// server's weights and state, bit for bit, after 1,000 random steps.
#include <algorithm>
#include <functional>
#include <random>

#include "tests/server/service_fixture.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

constexpr uint64_t kSteps = 1000;

struct Case {
  const char* name;
  std::function<void(v1::Optimiser&)> set;
  uint32_t state_count;
  uint32_t scalar_count;
};

std::vector<Case> Cases() {
  return {
      {"plain", [](auto& o) { o.mutable_sgd(); }, 0, 0},
      {"plain, clipped by norm",
       [](auto& o) {
         o.mutable_sgd();
         o.mutable_clipping()->set_max_norm(0.5F);
       },
       0, 0},
      {"decay",
       [](auto& o) {
         o.mutable_sgd();
         o.set_l2(0.01F);
         o.set_l1(0.001F);
         o.set_decoupled_decay(0.1F);
       },
       0, 6},
      {"momentum", [](auto& o) { o.mutable_sgd()->set_momentum(0.9F); }, 1, 6},
      {"Nesterov",
       [](auto& o) {
         o.mutable_sgd()->set_momentum(0.9F);
         o.mutable_sgd()->set_nesterov(true);
         o.set_l2(0.001F);
       },
       1, 6},
      {"Adagrad", [](auto& o) { o.mutable_adagrad(); }, 1, 6},
      {"RMSprop", [](auto& o) { o.mutable_rms_prop(); }, 1, 8},
      {"Adam", [](auto& o) { o.mutable_adam(); }, 2, 10},
      {"Lion", [](auto& o) { o.mutable_lion(); }, 1, 9},
      {"Lion with everything",
       [](auto& o) {
         o.mutable_lion()->set_beta1(0.8F);
         o.mutable_lion()->set_beta2(0.95F);
         o.set_l2(0.001F);
         o.set_l1(0.0001F);
         o.set_decoupled_decay(0.1F);
         o.mutable_clipping()->set_max_norm(0.7F);
         o.mutable_clipping()->set_max_value(0.05F);
       },
       1, 9},
      {"AdamW with everything",
       [](auto& o) {
         o.mutable_adam()->set_beta1(0.8F);
         o.mutable_adam()->set_beta2(0.99F);
         o.mutable_adam()->set_epsilon(1e-6F);
         o.set_l2(0.001F);
         o.set_l1(0.0001F);
         o.set_decoupled_decay(0.01F);
         o.mutable_clipping()->set_max_norm(0.7F);
         o.mutable_clipping()->set_max_value(0.05F);
         o.mutable_schedule()->mutable_cosine()->set_period_steps(300);
         o.mutable_schedule()->mutable_cosine()->set_restarts(true);
         o.mutable_schedule()->set_warmup_steps(50);
       },
       2, 10},
  };
}

class OptimiserReplicaTest : public ServiceTest {
 protected:
  void TrainAndCompare(v1::SessionSpec spec, const Case& entry) {
    spec.clear_optimiser();
    entry.set(*spec.mutable_optimiser());
    spec.mutable_optimiser()->set_learning_rate(0.003F);
    spec.set_digest_every(64);
    const v1::Session session = Create(spec);
    EXPECT_EQ(session.layout().state_count(), entry.state_count);
    EXPECT_EQ(session.layout().scalar_count(), entry.scalar_count);
    EXPECT_EQ(session.layout().factor_kind(), entry.scalar_count == 0
                                                  ? v1::FACTOR_KIND_DELTA
                                                  : v1::FACTOR_KIND_GRADIENT);
    v1::GetWeightsResponse anchor;
    auto replica = ReferenceReplica::WithState(
        session, WeightsAndState(session.session_id(), &anchor));
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
    const std::vector<float> server =
        WeightsAndState(session.session_id(), &end);
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
  for (const Case& entry : Cases()) {
    SCOPED_TRACE(entry.name);
    TrainAndCompare(Spec(9, {5}), entry);
  }
}

TEST_F(OptimiserReplicaTest, ThreeLayersOnStandardisedBytesEqualTheServer) {
  v1::SessionSpec spec = Spec(16, {12, 8, 3});
  spec.mutable_layers(0)->set_activation(v1::ACTIVATION_GELU);
  spec.mutable_layers(1)->set_dropout(0.25F);
  spec.mutable_input()->set_element_type(v1::ELEMENT_TYPE_UINT8);
  spec.mutable_input()->set_scale(1.0F / 255);
  auto* standardisation = spec.mutable_input()->mutable_standardisation();
  for (int j = 0; j < 16; ++j) {
    standardisation->add_mean(0.4F + 0.01F * static_cast<float>(j));
    standardisation->add_factor(3.3F);
  }
  for (const Case& entry : Cases()) {
    SCOPED_TRACE(entry.name);
    TrainAndCompare(spec, entry);
  }
}

TEST_F(OptimiserReplicaTest, FiveLayersOfBothFormsInBatchesEqualTheServer) {
  v1::SessionSpec spec = Spec(14, {12, 12, 10, 10, 3});
  spec.mutable_layers(1)->set_activation(v1::ACTIVATION_ELU);
  spec.mutable_layers(2)->set_delta_form(v1::DELTA_FORM_DENSE);
  spec.mutable_layers(4)->set_delta_form(v1::DELTA_FORM_FACTORED);
  spec.set_batch_size(3);
  for (const Case& entry : Cases()) {
    SCOPED_TRACE(entry.name);
    TrainAndCompare(spec, entry);
  }
}

}  // namespace
}  // namespace backprop::testing
