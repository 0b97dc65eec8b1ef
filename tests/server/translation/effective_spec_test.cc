// SPDX-License-Identifier: Apache-2.0
//
// What CreateSession makes of a good spec: it comes back as it was given, with
// the manual's defaults filled in.
#include <filesystem>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"

namespace backprop::testing {
namespace {

class EffectiveSpecTest : public ServiceTest {};

struct Good {
  const char* given;
  const char* filled_in = "";  // beside what was given
};

const Good kGood[] = {
    {"layers {activation: ACTIVATION_IDENTITY}"},
    {"layers {activation: ACTIVATION_SIGMOID}"},
    {"layers {activation: ACTIVATION_RELU}"},
    {"layers {activation: ACTIVATION_LEAKY_RELU}",
     "layers {negative_scale: 0.01}"},
    {"layers {activation: ACTIVATION_LEAKY_RELU negative_scale: 0.5}"},
    {"layers {activation: ACTIVATION_ELU}", "layers {negative_scale: 1}"},
    {"layers {activation: ACTIVATION_GELU}"},
    {"layers {activation: ACTIVATION_SOFTPLUS}"},
    {"loss: LOSS_CROSS_ENTROPY "
     "layers {} layers {activation: ACTIVATION_SOFTMAX}"},
    {"loss: LOSS_CROSS_ENTROPY label_smoothing: 0.1 class_weights: [2, 0] "
     "layers {} layers {activation: ACTIVATION_IDENTITY}"},
    {"loss: LOSS_MEAN_SQUARED_ERROR "
     "layers {} layers {activation: ACTIVATION_TANH}"},
    {"loss: LOSS_MEAN_ABSOLUTE_ERROR "
     "layers {} layers {activation: ACTIVATION_IDENTITY}"},
    {"loss: LOSS_HUBER layers {} layers {activation: ACTIVATION_IDENTITY}",
     "huber_delta: 1"},
    {"loss: LOSS_BINARY_CROSS_ENTROPY "
     "layers {} layers {activation: ACTIVATION_SIGMOID}"},
    {"layers {dropout: 0.5} dropout_seed: 18446744073709551615 "
     "batch_size: 3 digest_every: 5"},
    {"display_name: 'Mäuse: 3. Versuch'"},
    {"display_name: 'aäääääääääääääääääääääääääääääää'"},  // 63 bytes
    {"display_name: ' \\302\\240~'"},  // next to the control characters
    {"layers {delta_form: DELTA_FORM_DENSE} "
     "layers {delta_form: DELTA_FORM_FACTORED}"},
    {"input {standardisation {mean: [0, 1, 2, 3, 4, 5] "
     "factor: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]}}"},
    {"input {element_type: ELEMENT_TYPE_UINT8 scale: 0.5 "
     "standardisation {learn_samples: 9}}"},

    {"initialiser {kind: INITIALISER_KIND_ZEROS}"},
    {"initialiser {kind: INITIALISER_KIND_HE_UNIFORM}"},
    {"initialiser {kind: INITIALISER_KIND_GLOROT_NORMAL}"},
    {"initialiser {kind: INITIALISER_KIND_HE_NORMAL}"},
    {"initialiser {kind: INITIALISER_KIND_LECUN_UNIFORM}"},
    {"initialiser {kind: INITIALISER_KIND_LECUN_NORMAL}"},
    {"initialiser {kind: INITIALISER_KIND_TORCH_LINEAR}"},
    {"initialiser {kind: INITIALISER_KIND_CONSTANT value: -2}"},
    {"initialiser {kind: INITIALISER_KIND_UNIFORM value: 0.5}"},
    {"initialiser {kind: INITIALISER_KIND_NORMAL value: 0.5}"},
    {"initialiser {kind: INITIALISER_KIND_ORTHOGONAL}",
     "initialiser {value: 1}"},

    {"optimiser {sgd {momentum: 0.9 nesterov: true} l2: 0.1 l1: 0.2 "
     "decoupled_decay: 0.3 clipping {max_norm: 4 max_value: 5}}"},
    {"optimiser {adagrad {}}", "optimiser {adagrad {epsilon: 1e-10}}"},
    {"optimiser {rms_prop {}}",
     "optimiser {rms_prop {decay: 0.99 epsilon: 1e-8}}"},
    {"optimiser {adam {}}",
     "optimiser {adam {beta1: 0.9 beta2: 0.999 epsilon: 1e-8}}"},
    {"optimiser {adam {beta1: 0 beta2: 0 epsilon: 0.5}}"},
    {"optimiser {lion {}}", "optimiser {lion {beta1: 0.9 beta2: 0.99}}"},
    {"optimiser {lion {beta1: 0 beta2: 0}}"},

    {"optimiser {schedule {warmup_steps: 7}}"},
    {"optimiser {schedule {step {every: 3}}}",
     "optimiser {schedule {step {factor: 0.1}}}"},
    {"optimiser {schedule {exponential {factor: 1}}}"},
    {"optimiser {schedule {polynomial {steps: 3}}}",
     "optimiser {schedule {polynomial {power: 1}}}"},
    {"optimiser {schedule {inverse_time {rate: 2}}}"},
    {"optimiser {schedule {cosine {period_steps: 2}}}",
     "optimiser {schedule {cosine {period_factor: 1}}}"},
    {"optimiser {schedule {plateau {}}}",
     "optimiser {schedule {plateau {window_steps: 1000 factor: 0.1 "
     "patience: 10 threshold: 1e-4}}}"},
    {"optimiser {schedule {plateau {window_steps: 1 factor: 0.5 patience: 0 "
     "threshold: 0 min_rate: 0.01}}}"},
};

TEST_F(EffectiveSpecTest, IsWhatWasGivenWithTheManualsDefaults) {
  for (const Good& entry : kGood) {
    const v1::SessionSpec spec = With(Spec(6, {4, 2}), entry.given);
    const v1::Session session = Create(spec);
    v1::SessionSpec expected = spec;
    // Spec leaves these to the defaults.
    if (spec.batch_size() == 0) expected.set_batch_size(1);
    if (spec.digest_every() == 0) expected.set_digest_every(1024);
    if (spec.loss() == v1::LOSS_UNSPECIFIED) {
      expected.set_loss(v1::LOSS_HALF_SQUARED_ERROR);
    }
    if (spec.initialiser().kind() == v1::INITIALISER_KIND_UNSPECIFIED) {
      expected.mutable_initialiser()->set_kind(
          v1::INITIALISER_KIND_GLOROT_UNIFORM);
    }
    if (spec.input().element_type() == v1::ELEMENT_TYPE_UNSPECIFIED) {
      expected.mutable_input()->set_element_type(v1::ELEMENT_TYPE_FLOAT32);
      expected.mutable_input()->set_scale(1);
    }
    // The server has no store.
    expected.mutable_durability()->set_mode(v1::DURABILITY_MODE_MEMORY);
    for (int k = 0; k < 2; ++k) {
      if (spec.layers(k).delta_form() != v1::DELTA_FORM_UNSPECIFIED) {
        EXPECT_EQ(session.layout().layers(k).delta_form(),
                  spec.layers(k).delta_form());
      }
      expected.mutable_layers(k)->set_delta_form(
          session.layout().layers(k).delta_form());
    }
    expected = With(expected, entry.filled_in);
    EXPECT_EQ(session.spec().DebugString(), expected.DebugString());
    // It can be trained, and is the same spec still.
    EXPECT_EQ(Get(session).spec().DebugString(), expected.DebugString());
  }
}

TEST_F(EffectiveSpecTest, HasTheHistoryThatWasGiven) {
  const std::string directory = ::testing::TempDir() + "effective_spec_test";
  StartWith([&](ServerOptions& options) { options.data_dir = directory; });
  for (const char* const given :
       {"", "history {max_steps: 1}", "history {max_bytes: 1}",
        "history {max_age {seconds: 1}}",
        "history {max_age {seconds: 315360000}}",
        "history {max_steps: 18446744073709551615 "
        "max_bytes: 274877906944 max_age {seconds: 5 nanos: 7}}"}) {
    const v1::SessionSpec spec = With(Spec(6, {4, 2}), given);
    const v1::Session session = Create(spec);
    EXPECT_EQ(session.spec().has_history(), spec.has_history());
    EXPECT_EQ(session.spec().history().DebugString(),
              spec.history().DebugString());
  }
  StartServer(SmallLimits());  // lets go of the directory
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace backprop::testing
