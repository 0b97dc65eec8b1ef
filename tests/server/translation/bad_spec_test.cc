// SPDX-License-Identifier: Apache-2.0
//
// Specs that CreateSession must refuse, each naming its field.
#include <unistd.h>

#include <fstream>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"

namespace backprop::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class BadSpecTest : public ServiceTest {};

struct BadSpec {
  const char* field;
  const char* text;  // what spoils the spec
};

size_t PagesOf(int column) {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  for (int i = 0; i <= column; ++i) statm >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Virtual memory: counts what is allocated, touched or not.
size_t VirtualBytes() { return PagesOf(0); }

const BadSpec kBadFields[] = {
    {"spec.input_size", "input_size: 0"},
    {"spec.layers[0].activation",
     "loss: LOSS_CROSS_ENTROPY layers {activation: ACTIVATION_SOFTMAX}"},
    {"spec.layers[1].activation", "layers {} layers {activation: 77}"},
    {"spec.layers[1].activation",
     "layers {} layers {activation: ACTIVATION_SOFTMAX}"},
    {"spec.layers[1].activation",
     "loss: LOSS_CROSS_ENTROPY "
     "layers {} layers {activation: ACTIVATION_TANH}"},
    {"spec.loss", "loss: -1"},
    {"spec.optimiser.learning_rate", "optimiser {learning_rate: 0}"},
    {"spec.optimiser.learning_rate", "optimiser {learning_rate: -0.1}"},
    {"spec.optimiser.learning_rate", "optimiser {learning_rate: nan}"},
    {"spec.optimiser.learning_rate", "optimiser {learning_rate: inf}"},
    {"spec.initialiser.kind", "initialiser {kind: 99}"},
    {"spec.input.element_type", "input {element_type: 9}"},
    {"spec.input.scale", "input {scale: nan}"},
    {"spec.input.scale", "input {scale: inf}"},
    {"spec.batch_size", "batch_size: 4294967295"},
    {"spec.display_name",  // 64 bytes of 33 characters
     "display_name: 'aaäääääääääääääääääääääääääääääää'"},
    {"spec.display_name", "display_name: 'two\\nlines'"},
    {"spec.display_name", "display_name: 'a\\000b'"},
    {"spec.display_name", "display_name: '\\033[2J'"},
    {"spec.display_name", "display_name: 'a\\177'"},
    {"spec.display_name", "display_name: '\\302\\200'"},
    {"spec.display_name", "display_name: '\\302\\237'"},
};

TEST_F(BadSpecTest, EveryBadFieldIsNamed) {
  const auto refuse = [this](const v1::SessionSpec& spec, const char* field) {
    EXPECT_THAT(TryCreate(spec), IsInvalid(Contains(field)));
  };
  for (const BadSpec& entry : kBadFields) {
    refuse(With(Spec(3, {2, 1}), entry.text), entry.field);
  }
  // What a text can't take away.
  v1::SessionSpec spec = Spec(3, {2, 1});
  spec.mutable_layers(0)->set_size(0);
  refuse(spec, "spec.layers[0].size");
  spec.clear_layers();
  refuse(spec, "spec.layers");
  spec = Spec(3, {2, 1});
  spec.clear_optimiser();
  refuse(spec, "spec.optimiser");
}

// Of each row only that field is bad.
const BadSpec kBadSettings[] = {
    {"spec.layers[0].negative_scale", "layers {negative_scale: 0.1}"},
    {"spec.layers[0].negative_scale",
     "layers {activation: ACTIVATION_LEAKY_RELU negative_scale: -1}"},
    {"spec.layers[0].negative_scale",
     "layers {activation: ACTIVATION_ELU negative_scale: nan}"},
    {"spec.layers[0].dropout", "layers {dropout: 1}"},
    {"spec.layers[0].dropout", "layers {dropout: nan}"},
    {"spec.layers[1].dropout", "layers {} layers {dropout: 0.5}"},
    {"spec.layers[1].delta_form", "layers {} layers {delta_form: 7}"},
    {"spec.layers[1].activation",
     "loss: LOSS_BINARY_CROSS_ENTROPY "
     "layers {} layers {activation: ACTIVATION_TANH}"},
    {"spec.label_smoothing", "label_smoothing: 0.1"},
    {"spec.label_smoothing", "loss: LOSS_CROSS_ENTROPY label_smoothing: 1"},
    {"spec.class_weights", "class_weights: 1"},
    {"spec.class_weights", "loss: LOSS_CROSS_ENTROPY class_weights: [1, 1]"},
    {"spec.class_weights[0]", "loss: LOSS_CROSS_ENTROPY class_weights: -1"},
    {"spec.huber_delta", "loss: LOSS_HUBER huber_delta: -1"},

    {"spec.optimiser.sgd.momentum", "optimiser {sgd {momentum: 1}}"},
    {"spec.optimiser.sgd.nesterov", "optimiser {sgd {nesterov: true}}"},
    {"spec.optimiser.adagrad.epsilon", "optimiser {adagrad {epsilon: -1}}"},
    {"spec.optimiser.rms_prop.decay", "optimiser {rms_prop {decay: 1}}"},
    {"spec.optimiser.rms_prop.epsilon",
     "optimiser {rms_prop {epsilon: 1e-21}}"},
    {"spec.optimiser.adam.beta1", "optimiser {adam {beta1: 1}}"},
    {"spec.optimiser.adam.beta2", "optimiser {adam {beta2: nan}}"},
    {"spec.optimiser.adam.epsilon", "optimiser {adam {epsilon: inf}}"},
    {"spec.optimiser.lion.beta1", "optimiser {lion {beta1: -1}}"},
    {"spec.optimiser.lion.beta2", "optimiser {lion {beta2: 1}}"},
    {"spec.optimiser.l2", "optimiser {l2: -1}"},
    {"spec.optimiser.l1", "optimiser {l1: nan}"},
    {"spec.optimiser.decoupled_decay", "optimiser {decoupled_decay: -0.1}"},
    {"spec.optimiser.clipping.max_norm", "optimiser {clipping {max_norm: -1}}"},
    {"spec.optimiser.clipping.max_value",
     "optimiser {clipping {max_value: nan}}"},

    {"spec.optimiser.schedule.step.every", "optimiser {schedule {step {}}}"},
    {"spec.optimiser.schedule.step.factor",
     "optimiser {schedule {step {every: 1 factor: 1.5}}}"},
    {"spec.optimiser.schedule.exponential.factor",
     "optimiser {schedule {exponential {}}}"},
    {"spec.optimiser.schedule.polynomial.steps",
     "optimiser {schedule {polynomial {}}}"},
    {"spec.optimiser.schedule.polynomial.end_rate",
     "optimiser {schedule {polynomial {steps: 1 end_rate: 1}}}"},
    {"spec.optimiser.schedule.polynomial.power",
     "optimiser {schedule {polynomial {steps: 1 power: -1}}}"},
    {"spec.optimiser.schedule.inverse_time.rate",
     "optimiser {schedule {inverse_time {}}}"},
    {"spec.optimiser.schedule.cosine.period_steps",
     "optimiser {schedule {cosine {}}}"},
    {"spec.optimiser.schedule.cosine.min_rate",
     "optimiser {schedule {cosine {period_steps: 1 min_rate: -1}}}"},
    {"spec.optimiser.schedule.cosine.period_factor",
     "optimiser {schedule {cosine {period_steps: 1 period_factor: 0.5}}}"},
    {"spec.optimiser.schedule.plateau.factor",
     "optimiser {schedule {plateau {factor: 1}}}"},
    {"spec.optimiser.schedule.plateau.threshold",
     "optimiser {schedule {plateau {threshold: -1}}}"},
    {"spec.optimiser.schedule.plateau.min_rate",
     "optimiser {schedule {plateau {min_rate: 1}}}"},

    {"spec.initialiser.value",
     "initialiser {kind: INITIALISER_KIND_CONSTANT value: 0}"},
    {"spec.initialiser.value",  // 2^97
     "initialiser {kind: INITIALISER_KIND_CONSTANT value: 1.5845633e29}"},
    {"spec.initialiser.value",
     "initialiser {kind: INITIALISER_KIND_UNIFORM value: -1}"},
    {"spec.initialiser.value",
     "initialiser {kind: INITIALISER_KIND_NORMAL value: 0}"},
    {"spec.initialiser.value",
     "initialiser {kind: INITIALISER_KIND_NORMAL value: nan}"},
    {"spec.initialiser.value",
     "initialiser {kind: INITIALISER_KIND_ORTHOGONAL value: inf}"},
    {"spec.initialiser.value",
     "initialiser {kind: INITIALISER_KIND_HE_NORMAL value: 1}"},

    {"spec.input.standardisation", "input {standardisation {}}"},
    {"spec.input.standardisation.factor",
     "input {standardisation {mean: [1, 2, 3] learn_samples: 2}}"},
    {"spec.input.standardisation.mean",
     "input {standardisation {factor: [1, 2, 3]}}"},
    {"spec.input.standardisation.factor",
     "input {standardisation {mean: [1, 2, 3] factor: [1, 2]}}"},
    {"spec.input.standardisation.mean[1]",
     "input {standardisation {mean: [1, nan, 3] factor: [1, 2, 3]}}"},
    {"spec.input.standardisation.factor[2]",
     "input {standardisation {mean: [1, 2, 3] factor: [1, 2, inf]}}"},
    {"spec.input.standardisation.learn_samples",
     "input {standardisation {learn_samples: 1}}"},
    {"spec.input.standardisation.learn_samples",
     "input {standardisation {mean: [1, 2, 3] factor: [1, 2, 3] "
     "learn_samples: 1}}"},
    {"spec.input.standardisation.learn_samples",
     "batch_size: 4 input {standardisation {learn_samples: 6}}"},

    {"spec.history", "history {}"},
    {"spec.history",
     "history {max_steps: 1} durability {mode: DURABILITY_MODE_MEMORY}"},
    {"spec.history.max_age", "history {max_age {}}"},
    {"spec.history.max_age", "history {max_age {nanos: 999999999}}"},
    {"spec.history.max_age", "history {max_age {seconds: -1}}"},
    {"spec.history.max_age", "history {max_age {seconds: 1 nanos: -1}}"},
    {"spec.history.max_age",  // a second more than 10 years
     "history {max_steps: 1 max_age {seconds: 315360001}}"},
};

TEST_F(BadSpecTest, EveryBadSettingIsNamed) {
  for (const BadSpec& entry : kBadSettings) {
    EXPECT_THAT(TryCreate(With(Spec(3, {2, 1}), entry.text)),
                IsInvalid(ElementsAre(entry.field)))
        << entry.text;
  }
}

TEST_F(BadSpecTest, ADeltaRowLargerThanAMessageIsRefused) {
  StartWith([](auto& o) { o.max_session_weights = size_t{1} << 40; });
  EXPECT_THAT(Fields(TryCreate(With(Spec(1u << 15, {1u << 15}),  // 2^30 numbers
                                    "layers {delta_form: DELTA_FORM_DENSE}"))),
              ElementsAre("spec.layers"));
}

TEST_F(BadSpecTest, ARequestWithoutSpecIsRefused) {
  EXPECT_THAT(Try(&Stub::CreateSession, v1::CreateSessionRequest()),
              IsInvalid(Not(IsEmpty())));
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
    EXPECT_THAT(TryCreate(spec), IsInvalid(Contains("spec.layers")))
        << spec.ShortDebugString();
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
  EXPECT_THAT(Fields(TryCreate(spec)), ElementsAre("spec.layers"));
}

TEST_F(BadSpecTest, WeightsAboveTheSessionLimitAreRefused) {
  StartWith([](auto& o) { o.max_session_weights = 90; });
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
  EXPECT_THAT(TryCreate(spec), IsInvalid(Contains("spec.batch_size")));
}

}  // namespace
}  // namespace backprop::testing
