// SPDX-License-Identifier: Apache-2.0
//
// What CreateSession makes of a good spec: it comes back as it was given, with
// the manual's defaults filled in.
#include <functional>

#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

class EffectiveSpecTest : public ServiceTest {};

using Set = std::function<void(v1::SessionSpec&)>;

struct Good {
  Set give;
  Set expect;  // beside what was given
};

void Nothing(v1::SessionSpec&) {}

Set Activate(v1::Activation activation, float negative_scale) {
  return [=](v1::SessionSpec& spec) {
    spec.mutable_layers(0)->set_activation(activation);
    if (negative_scale != 0) {
      spec.mutable_layers(0)->set_negative_scale(negative_scale);
    }
  };
}

Set Lose(v1::Loss loss, v1::Activation last) {
  return [=](v1::SessionSpec& spec) {
    spec.set_loss(loss);
    spec.mutable_layers(1)->set_activation(last);
  };
}

Set Initialise(v1::InitialiserKind kind, float value) {
  return [=](v1::SessionSpec& spec) {
    spec.mutable_initialiser()->set_kind(kind);
    spec.mutable_initialiser()->set_value(value);
  };
}

Set Optimiser(std::function<void(v1::Optimiser&)> set) {
  return [=](v1::SessionSpec& spec) { set(*spec.mutable_optimiser()); };
}

Set Schedule(std::function<void(v1::Schedule&)> set) {
  return Optimiser([=](v1::Optimiser& o) { set(*o.mutable_schedule()); });
}

std::vector<Good> Networks() {
  return {
      {Activate(v1::ACTIVATION_IDENTITY, 0), Nothing},
      {Activate(v1::ACTIVATION_SIGMOID, 0), Nothing},
      {Activate(v1::ACTIVATION_RELU, 0), Nothing},
      {Activate(v1::ACTIVATION_LEAKY_RELU, 0),
       Activate(v1::ACTIVATION_LEAKY_RELU, 0.01F)},
      {Activate(v1::ACTIVATION_LEAKY_RELU, 0.5F), Nothing},
      {Activate(v1::ACTIVATION_ELU, 0), Activate(v1::ACTIVATION_ELU, 1)},
      {Activate(v1::ACTIVATION_GELU, 0), Nothing},
      {Activate(v1::ACTIVATION_SOFTPLUS, 0), Nothing},
      {Lose(v1::LOSS_CROSS_ENTROPY, v1::ACTIVATION_SOFTMAX), Nothing},
      {[](auto& s) {
         Lose(v1::LOSS_CROSS_ENTROPY, v1::ACTIVATION_IDENTITY)(s);
         s.set_label_smoothing(0.1F);
         s.add_class_weights(2);
         s.add_class_weights(0);
       },
       Nothing},
      {Lose(v1::LOSS_MEAN_SQUARED_ERROR, v1::ACTIVATION_TANH), Nothing},
      {Lose(v1::LOSS_MEAN_ABSOLUTE_ERROR, v1::ACTIVATION_IDENTITY), Nothing},
      {Lose(v1::LOSS_HUBER, v1::ACTIVATION_IDENTITY),
       [](auto& s) { s.set_huber_delta(1); }},
      {Lose(v1::LOSS_BINARY_CROSS_ENTROPY, v1::ACTIVATION_SIGMOID), Nothing},
      {[](auto& s) {
         s.mutable_layers(0)->set_dropout(0.5F);
         s.set_dropout_seed(~uint64_t{0});
         s.set_batch_size(3);
         s.set_digest_every(5);
       },
       Nothing},
      {[](auto& s) {
         s.mutable_layers(0)->set_delta_form(v1::DELTA_FORM_DENSE);
         s.mutable_layers(1)->set_delta_form(v1::DELTA_FORM_FACTORED);
       },
       Nothing},
      {[](auto& s) {
         auto* standardisation = s.mutable_input()->mutable_standardisation();
         for (int j = 0; j < 6; ++j) {
           standardisation->add_mean(static_cast<float>(j));
           standardisation->add_factor(0.5F);
         }
       },
       Nothing},
      {[](auto& s) {
         s.mutable_input()->set_element_type(v1::ELEMENT_TYPE_UINT8);
         s.mutable_input()->set_scale(0.5F);
         s.mutable_input()->mutable_standardisation()->set_learn_samples(9);
       },
       Nothing},
  };
}

std::vector<Good> Initialisers() {
  std::vector<Good> table;
  for (const auto kind :
       {v1::INITIALISER_KIND_ZEROS, v1::INITIALISER_KIND_HE_UNIFORM,
        v1::INITIALISER_KIND_GLOROT_NORMAL, v1::INITIALISER_KIND_HE_NORMAL,
        v1::INITIALISER_KIND_LECUN_UNIFORM, v1::INITIALISER_KIND_LECUN_NORMAL,
        v1::INITIALISER_KIND_TORCH_LINEAR}) {
    table.push_back({Initialise(kind, 0), Nothing});
  }
  table.push_back({Initialise(v1::INITIALISER_KIND_CONSTANT, -2), Nothing});
  table.push_back({Initialise(v1::INITIALISER_KIND_UNIFORM, 0.5F), Nothing});
  table.push_back({Initialise(v1::INITIALISER_KIND_NORMAL, 0.5F), Nothing});
  table.push_back({Initialise(v1::INITIALISER_KIND_ORTHOGONAL, 0),
                   Initialise(v1::INITIALISER_KIND_ORTHOGONAL, 1)});
  return table;
}

std::vector<Good> Optimisers() {
  return {
      {Optimiser([](auto& o) {
         o.mutable_sgd()->set_momentum(0.9F);
         o.mutable_sgd()->set_nesterov(true);
         o.set_l2(0.1F);
         o.set_l1(0.2F);
         o.set_decoupled_decay(0.3F);
         o.mutable_clipping()->set_max_norm(4);
         o.mutable_clipping()->set_max_value(5);
       }),
       Nothing},
      {Optimiser([](auto& o) { o.mutable_adagrad(); }),
       Optimiser([](auto& o) { o.mutable_adagrad()->set_epsilon(1e-10F); })},
      {Optimiser([](auto& o) { o.mutable_rms_prop(); }), Optimiser([](auto& o) {
         o.mutable_rms_prop()->set_decay(0.99F);
         o.mutable_rms_prop()->set_epsilon(1e-8F);
       })},
      {Optimiser([](auto& o) { o.mutable_adam(); }), Optimiser([](auto& o) {
         o.mutable_adam()->set_beta1(0.9F);
         o.mutable_adam()->set_beta2(0.999F);
         o.mutable_adam()->set_epsilon(1e-8F);
       })},
      {Optimiser([](auto& o) {
         o.mutable_adam()->set_beta1(0);
         o.mutable_adam()->set_beta2(0);
         o.mutable_adam()->set_epsilon(0.5F);
       }),
       Nothing},
  };
}

std::vector<Good> Schedules() {
  return {
      {Schedule([](auto& s) { s.set_warmup_steps(7); }), Nothing},
      {Schedule([](auto& s) { s.mutable_step()->set_every(3); }),
       Schedule([](auto& s) { s.mutable_step()->set_factor(0.1F); })},
      {Schedule([](auto& s) { s.mutable_exponential()->set_factor(1); }),
       Nothing},
      {Schedule([](auto& s) { s.mutable_polynomial()->set_steps(3); }),
       Schedule([](auto& s) { s.mutable_polynomial()->set_power(1); })},
      {Schedule([](auto& s) { s.mutable_inverse_time()->set_rate(2); }),
       Nothing},
      {Schedule([](auto& s) { s.mutable_cosine()->set_period_steps(2); }),
       Schedule([](auto& s) { s.mutable_cosine()->set_period_factor(1); })},
      {Schedule([](auto& s) { s.mutable_plateau(); }), Schedule([](auto& s) {
         s.mutable_plateau()->set_window_steps(1000);
         s.mutable_plateau()->set_factor(0.1F);
         s.mutable_plateau()->set_patience(10);
         s.mutable_plateau()->set_threshold(1e-4F);
       })},
      {Schedule([](auto& s) {
         s.mutable_plateau()->set_window_steps(1);
         s.mutable_plateau()->set_factor(0.5F);
         s.mutable_plateau()->set_patience(0);
         s.mutable_plateau()->set_threshold(0);
         s.mutable_plateau()->set_min_rate(0.01F);
       }),
       Nothing},
  };
}

TEST_F(EffectiveSpecTest, IsWhatWasGivenWithTheManualsDefaults) {
  for (const auto& table :
       {Networks(), Initialisers(), Optimisers(), Schedules()}) {
    for (const Good& entry : table) {
      v1::SessionSpec spec = Spec(6, {4, 2});
      entry.give(spec);
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
      for (int k = 0; k < 2; ++k) {
        if (spec.layers(k).delta_form() != v1::DELTA_FORM_UNSPECIFIED) {
          EXPECT_EQ(session.layout().layers(k).delta_form(),
                    spec.layers(k).delta_form());
        }
        expected.mutable_layers(k)->set_delta_form(
            session.layout().layers(k).delta_form());
      }
      entry.expect(expected);
      EXPECT_EQ(session.spec().DebugString(), expected.DebugString());
      // It can be trained, and is the same spec still.
      EXPECT_EQ(Get(session.session_id()).spec().DebugString(),
                expected.DebugString());
    }
  }
}

}  // namespace
}  // namespace backprop::testing
