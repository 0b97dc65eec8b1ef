// SPDX-License-Identifier: Apache-2.0
//
// Specs that CreateSession must refuse, each naming its field.
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

using ::testing::Contains;

class BadSpecTest : public ServiceTest {};

struct BadSpec {
  const char* field;
  std::function<void(v1::SessionSpec&)> spoil;
};

size_t PagesOf(int column) {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  for (int i = 0; i <= column; ++i) statm >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Virtual memory: counts what is allocated, touched or not.
size_t VirtualBytes() { return PagesOf(0); }

TEST_F(BadSpecTest, EveryBadFieldIsNamed) {
  const auto rate = [](float value) {
    return [value](v1::SessionSpec& spec) {
      spec.mutable_optimiser()->set_learning_rate(value);
    };
  };
  const std::vector<BadSpec> bad = {
      {"spec.input_size", [](auto& s) { s.set_input_size(0); }},
      {"spec.layers", [](auto& s) { s.clear_layers(); }},
      {"spec.layers[0].size",
       [](auto& s) { s.mutable_layers(0)->set_size(0); }},
      {"spec.layers[0].activation",
       [](auto& s) {
         s.mutable_layers(0)->set_activation(v1::ACTIVATION_SOFTMAX);
         s.set_loss(v1::LOSS_CROSS_ENTROPY);
       }},
      {"spec.layers[1].activation",
       [](auto& s) {
         s.mutable_layers(1)->set_activation(static_cast<v1::Activation>(77));
       }},
      {"spec.layers[1].activation",
       [](auto& s) {
         s.mutable_layers(1)->set_activation(v1::ACTIVATION_SOFTMAX);
       }},
      {"spec.layers[1].activation",
       [](auto& s) {
         s.mutable_layers(1)->set_activation(v1::ACTIVATION_TANH);
         s.set_loss(v1::LOSS_CROSS_ENTROPY);
       }},
      {"spec.loss", [](auto& s) { s.set_loss(static_cast<v1::Loss>(-1)); }},
      {"spec.optimiser", [](auto& s) { s.clear_optimiser(); }},
      {"spec.optimiser.learning_rate", rate(0)},
      {"spec.optimiser.learning_rate", rate(-0.1F)},
      {"spec.optimiser.learning_rate", rate(NAN)},
      {"spec.optimiser.learning_rate", rate(INFINITY)},
      {"spec.initialiser.kind",
       [](auto& s) {
         s.mutable_initialiser()->set_kind(
             static_cast<v1::InitialiserKind>(99));
       }},
      {"spec.input.element_type",
       [](auto& s) {
         s.mutable_input()->set_element_type(static_cast<v1::ElementType>(9));
       }},
      {"spec.input.scale", [](auto& s) { s.mutable_input()->set_scale(NAN); }},
      {"spec.input.scale",
       [](auto& s) { s.mutable_input()->set_scale(INFINITY); }},
      {"spec.batch_size", [](auto& s) { s.set_batch_size(0xffffffff); }},
  };
  for (const BadSpec& entry : bad) {
    v1::SessionSpec spec = Spec(3, {2, 1});
    entry.spoil(spec);
    const grpc::Status status = TryCreate(spec);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << entry.field;
    EXPECT_EQ(Reason(status), "INVALID_REQUEST");
    EXPECT_THAT(Fields(status), Contains(entry.field));
  }
}

using Set = std::function<void(v1::SessionSpec&)>;

Set Layer(int k, std::function<void(v1::Layer&)> set) {
  return [=](v1::SessionSpec& spec) { set(*spec.mutable_layers(k)); };
}
Set Optimiser(std::function<void(v1::Optimiser&)> set) {
  return [=](v1::SessionSpec& spec) { set(*spec.mutable_optimiser()); };
}
Set Schedule(std::function<void(v1::Schedule&)> set) {
  return Optimiser([=](v1::Optimiser& o) { set(*o.mutable_schedule()); });
}
Set Initialise(v1::InitialiserKind kind, float value) {
  return [=](v1::SessionSpec& spec) {
    spec.mutable_initialiser()->set_kind(kind);
    spec.mutable_initialiser()->set_value(value);
  };
}
Set Standardise(std::vector<float> mean, std::vector<float> factor,
                uint64_t learn_samples) {
  return [=](v1::SessionSpec& spec) {
    auto* standardisation = spec.mutable_input()->mutable_standardisation();
    standardisation->mutable_mean()->Add(mean.begin(), mean.end());
    standardisation->mutable_factor()->Add(factor.begin(), factor.end());
    standardisation->set_learn_samples(learn_samples);
  };
}

std::vector<BadSpec> BadLayersAndLosses() {
  return {
      {"spec.layers[0].negative_scale",
       Layer(0, [](auto& l) { l.set_negative_scale(0.1F); })},
      {"spec.layers[0].negative_scale", Layer(0,
                                              [](auto& l) {
                                                l.set_activation(
                                                    v1::ACTIVATION_LEAKY_RELU);
                                                l.set_negative_scale(-1);
                                              })},
      {"spec.layers[0].negative_scale", Layer(0,
                                              [](auto& l) {
                                                l.set_activation(
                                                    v1::ACTIVATION_ELU);
                                                l.set_negative_scale(NAN);
                                              })},
      {"spec.layers[0].dropout", Layer(0, [](auto& l) { l.set_dropout(1); })},
      {"spec.layers[0].dropout", Layer(0, [](auto& l) { l.set_dropout(NAN); })},
      {"spec.layers[1].dropout",
       Layer(1, [](auto& l) { l.set_dropout(0.5F); })},
      {"spec.layers[1].delta_form",
       Layer(1,
             [](auto& l) { l.set_delta_form(static_cast<v1::DeltaForm>(7)); })},
      {"spec.layers[1].activation",
       [](auto& s) {
         s.set_loss(v1::LOSS_BINARY_CROSS_ENTROPY);
         s.mutable_layers(1)->set_activation(v1::ACTIVATION_TANH);
       }},
      {"spec.label_smoothing", [](auto& s) { s.set_label_smoothing(0.1F); }},
      {"spec.label_smoothing",
       [](auto& s) {
         s.set_loss(v1::LOSS_CROSS_ENTROPY);
         s.set_label_smoothing(1);
       }},
      {"spec.class_weights", [](auto& s) { s.add_class_weights(1); }},
      {"spec.class_weights",
       [](auto& s) {
         s.set_loss(v1::LOSS_CROSS_ENTROPY);
         s.add_class_weights(1);
         s.add_class_weights(1);
       }},
      {"spec.class_weights[0]",
       [](auto& s) {
         s.set_loss(v1::LOSS_CROSS_ENTROPY);
         s.add_class_weights(-1);
       }},
      {"spec.huber_delta",
       [](auto& s) {
         s.set_loss(v1::LOSS_HUBER);
         s.set_huber_delta(-1);
       }},
  };
}

std::vector<BadSpec> BadOptimisers() {
  return {
      {"spec.optimiser.sgd.momentum",
       Optimiser([](auto& o) { o.mutable_sgd()->set_momentum(1); })},
      {"spec.optimiser.sgd.nesterov",
       Optimiser([](auto& o) { o.mutable_sgd()->set_nesterov(true); })},
      {"spec.optimiser.adagrad.epsilon",
       Optimiser([](auto& o) { o.mutable_adagrad()->set_epsilon(-1); })},
      {"spec.optimiser.rms_prop.decay",
       Optimiser([](auto& o) { o.mutable_rms_prop()->set_decay(1); })},
      {"spec.optimiser.rms_prop.epsilon",
       Optimiser([](auto& o) { o.mutable_rms_prop()->set_epsilon(1e-21F); })},
      {"spec.optimiser.adam.beta1",
       Optimiser([](auto& o) { o.mutable_adam()->set_beta1(1); })},
      {"spec.optimiser.adam.beta2",
       Optimiser([](auto& o) { o.mutable_adam()->set_beta2(NAN); })},
      {"spec.optimiser.adam.epsilon",
       Optimiser([](auto& o) { o.mutable_adam()->set_epsilon(INFINITY); })},
      {"spec.optimiser.l2", Optimiser([](auto& o) { o.set_l2(-1); })},
      {"spec.optimiser.l1", Optimiser([](auto& o) { o.set_l1(NAN); })},
      {"spec.optimiser.decoupled_decay",
       Optimiser([](auto& o) { o.set_decoupled_decay(-0.1F); })},
      {"spec.optimiser.clipping.max_norm",
       Optimiser([](auto& o) { o.mutable_clipping()->set_max_norm(-1); })},
      {"spec.optimiser.clipping.max_value",
       Optimiser([](auto& o) { o.mutable_clipping()->set_max_value(NAN); })},
  };
}

std::vector<BadSpec> BadSchedules() {
  return {
      {"spec.optimiser.schedule.step.every",
       Schedule([](auto& s) { s.mutable_step(); })},
      {"spec.optimiser.schedule.step.factor", Schedule([](auto& s) {
         s.mutable_step()->set_every(1);
         s.mutable_step()->set_factor(1.5F);
       })},
      {"spec.optimiser.schedule.exponential.factor",
       Schedule([](auto& s) { s.mutable_exponential(); })},
      {"spec.optimiser.schedule.polynomial.steps",
       Schedule([](auto& s) { s.mutable_polynomial(); })},
      {"spec.optimiser.schedule.polynomial.end_rate", Schedule([](auto& s) {
         s.mutable_polynomial()->set_steps(1);
         s.mutable_polynomial()->set_end_rate(1);
       })},
      {"spec.optimiser.schedule.polynomial.power", Schedule([](auto& s) {
         s.mutable_polynomial()->set_steps(1);
         s.mutable_polynomial()->set_power(-1);
       })},
      {"spec.optimiser.schedule.inverse_time.rate",
       Schedule([](auto& s) { s.mutable_inverse_time(); })},
      {"spec.optimiser.schedule.cosine.period_steps",
       Schedule([](auto& s) { s.mutable_cosine(); })},
      {"spec.optimiser.schedule.cosine.min_rate", Schedule([](auto& s) {
         s.mutable_cosine()->set_period_steps(1);
         s.mutable_cosine()->set_min_rate(-1);
       })},
      {"spec.optimiser.schedule.cosine.period_factor", Schedule([](auto& s) {
         s.mutable_cosine()->set_period_steps(1);
         s.mutable_cosine()->set_period_factor(0.5F);
       })},
      {"spec.optimiser.schedule.plateau.factor",
       Schedule([](auto& s) { s.mutable_plateau()->set_factor(1); })},
      {"spec.optimiser.schedule.plateau.threshold",
       Schedule([](auto& s) { s.mutable_plateau()->set_threshold(-1); })},
      {"spec.optimiser.schedule.plateau.min_rate",
       Schedule([](auto& s) { s.mutable_plateau()->set_min_rate(1); })},
  };
}

std::vector<BadSpec> BadInitialisersAndInputs() {
  return {
      {"spec.initialiser.value", Initialise(v1::INITIALISER_KIND_CONSTANT, 0)},
      {"spec.initialiser.value",
       Initialise(v1::INITIALISER_KIND_CONSTANT, 0x1p97F)},
      {"spec.initialiser.value", Initialise(v1::INITIALISER_KIND_UNIFORM, -1)},
      {"spec.initialiser.value", Initialise(v1::INITIALISER_KIND_NORMAL, 0)},
      {"spec.initialiser.value", Initialise(v1::INITIALISER_KIND_NORMAL, NAN)},
      {"spec.initialiser.value",
       Initialise(v1::INITIALISER_KIND_ORTHOGONAL, INFINITY)},
      {"spec.initialiser.value", Initialise(v1::INITIALISER_KIND_HE_NORMAL, 1)},
      {"spec.input.standardisation", Standardise({}, {}, 0)},
      {"spec.input.standardisation.factor", Standardise({1, 2, 3}, {}, 2)},
      {"spec.input.standardisation.mean", Standardise({}, {1, 2, 3}, 0)},
      {"spec.input.standardisation.factor", Standardise({1, 2, 3}, {1, 2}, 0)},
      {"spec.input.standardisation.mean[1]",
       Standardise({1, NAN, 3}, {1, 2, 3}, 0)},
      {"spec.input.standardisation.factor[2]",
       Standardise({1, 2, 3}, {1, 2, INFINITY}, 0)},
      {"spec.input.standardisation.learn_samples", Standardise({}, {}, 1)},
      {"spec.input.standardisation.learn_samples",
       Standardise({1, 2, 3}, {1, 2, 3}, 1)},
      {"spec.input.standardisation.learn_samples",
       [](auto& s) {
         s.set_batch_size(4);
         Standardise({}, {}, 6)(s);
       }},
  };
}

TEST_F(BadSpecTest, EveryBadSettingIsNamed) {
  for (const auto& table : {BadLayersAndLosses(), BadOptimisers(),
                            BadSchedules(), BadInitialisersAndInputs()}) {
    for (const BadSpec& entry : table) {
      v1::SessionSpec spec = Spec(3, {2, 1});
      entry.spoil(spec);
      const grpc::Status status = TryCreate(spec);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
          << entry.field;
      EXPECT_THAT(Fields(status), ::testing::ElementsAre(entry.field));
    }
  }
}

TEST_F(BadSpecTest, ADeltaRowLargerThanAMessageIsRefused) {
  ServerOptions options = SmallLimits();
  options.max_session_weights = size_t{1} << 40;
  StartServer(options);
  v1::SessionSpec spec = Spec(1u << 15, {1u << 15});  // 2^30 numbers
  spec.mutable_layers(0)->set_delta_form(v1::DELTA_FORM_DENSE);
  EXPECT_THAT(Fields(TryCreate(spec)), ::testing::ElementsAre("spec.layers"));
}

TEST_F(BadSpecTest, ARequestWithoutSpecIsRefused) {
  v1::CreateSessionResponse response;
  const grpc::Status status =
      Call(&Stub::CreateSession, v1::CreateSessionRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(Fields(status).empty());
}

TEST_F(BadSpecTest, SeveralBadFieldsAreAllNamed) {
  v1::SessionSpec spec = Spec(3, {2, 1});
  spec.set_input_size(0);
  spec.clear_optimiser();
  EXPECT_THAT(
      Fields(TryCreate(spec)),
      ::testing::UnorderedElementsAre("spec.input_size", "spec.optimiser"));
}

TEST_F(BadSpecTest, ShapesWhoseProductOverflowsAreRefusedBeforeAllocating) {
  TryCreate(Spec(0, {1}));  // warms the transport up
  const size_t before = VirtualBytes();
  const uint32_t most = 0xffffffff;
  for (const v1::SessionSpec& spec :
       {Spec(most, {most}), Spec(most, {most, most, most}),
        Spec(0x80000000, {0x80000000, 2}), Spec(1, {most, 1}),
        Spec(0x10000, {0x10000, 0x10000})}) {
    const grpc::Status status = TryCreate(spec);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << spec.ShortDebugString();
    EXPECT_THAT(Fields(status), Contains("spec.layers"));
  }
  // A few new threads' stacks are allowed for; the smallest net above would be
  // 16 GiB.
  EXPECT_LT(VirtualBytes(), before + (size_t{1} << 30));
}

TEST_F(BadSpecTest, ManyLayersWhoseSumOverflowsAreRefused) {
  v1::SessionSpec spec = Spec(0xffffffff, {0xffffffff});
  for (int i = 0; i < 1000; ++i) {
    spec.add_layers()->set_size(0xffffffff);
  }
  EXPECT_EQ(TryCreate(spec).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// A layer without size takes two bytes on the wire; each would be a violation.
TEST_F(BadSpecTest, AMillionEmptyLayersAreOneViolation) {
  v1::SessionSpec spec = Spec(3, {1});
  for (int i = 0; i < 1'000'000; ++i) spec.add_layers();
  EXPECT_THAT(Fields(TryCreate(spec)), Contains("spec.layers"));
  spec = Spec(1, {1});
  while (spec.layers_size() < 1024) spec.add_layers()->set_size(1);
  EXPECT_TRUE(TryCreate(spec).ok());
  spec.add_layers()->set_size(1);
  EXPECT_THAT(Fields(TryCreate(spec)), ::testing::ElementsAre("spec.layers"));
}

TEST_F(BadSpecTest, WeightsAboveTheSessionLimitAreRefused) {
  ServerOptions options = SmallLimits();
  options.max_session_weights = 90;
  StartServer(options);
  EXPECT_TRUE(TryCreate(Spec(9, {9})).ok());
  const grpc::Status status = TryCreate(Spec(10, {9}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              ::testing::HasSubstr("--max-session-weights"));
}

TEST_F(BadSpecTest, AHugeBatchOfAHugeRowIsRefused) {
  // batch_size · input_size · 4 bytes could never fit into one message.
  v1::SessionSpec spec = Spec(1u << 20, {1});
  spec.set_batch_size(1u << 20);
  const grpc::Status status = TryCreate(spec);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Fields(status), Contains("spec.batch_size"));
}

}  // namespace
}  // namespace backprop::testing
