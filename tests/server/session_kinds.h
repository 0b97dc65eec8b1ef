// SPDX-License-Identifier: Apache-2.0
//
// Sessions of which each keeps something else between two steps.
#ifndef BACKPROP_TESTS_SERVER_SESSION_KINDS_H_
#define BACKPROP_TESTS_SERVER_SESSION_KINDS_H_

#include "tests/server/spec_text.h"

namespace backprop::testing {

// One of each kind of session: what has to be kept for its next steps.
struct Kind {
  const char* name;
  const char* text;  // what its spec has beside Spec(8, {10, 4})
};

inline constexpr Kind kKinds[] = {
    {"plain descent", ""},
    {"momentum", "optimiser {sgd {momentum: 0.9} learning_rate: 0.005}"},
    {"nesterov, l1, batches",
     "optimiser {sgd {momentum: 0.5 nesterov: true} l1: 1e-4} batch_size: 3"},
    {"adagrad", "optimiser {adagrad {}}"},
    {"rmsprop, l2", "optimiser {rms_prop {} learning_rate: 0.002 l2: 1e-3}"},
    {"adam", "optimiser {adam {} learning_rate: 0.002}"},
    {"lion", "optimiser {lion {} learning_rate: 0.002}"},
    {"adamw, clipping, exponential",
     "optimiser {adam {} learning_rate: 0.01 decoupled_decay: 0.01 "
     "clipping {max_norm: 1} schedule {exponential {factor: 0.999}}}"},
    {"warm-up, cosine with restarts",
     "optimiser {schedule {warmup_steps: 20 "
     "cosine {period_steps: 31 restarts: true period_factor: 1.3}}}"},
    {"warm-up not over",
     "optimiser {schedule {warmup_steps: 1050 step {every: 7}}}"},
    // The rate has fallen some times by step 1000, which lies within a window,
    // and falls again in the 100 steps after it.
    {"plateau",
     "optimiser {schedule {plateau {window_steps: 7 patience: 2 "
     "factor: 0.9}}}"},
    {"dropout, few digests",
     "layers {dropout: 0.4} dropout_seed: 99 digest_every: 37 "
     "optimiser {adam {} learning_rate: 0.002}"},
    {"given standardisation, dense first layer",
     "layers {delta_form: DELTA_FORM_DENSE} "
     "input {standardisation {mean: [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1] "
     "factor: [2, 2, 2, 2, 2, 2, 2, 2]}} "
     "optimiser {rms_prop {} learning_rate: 0.002}"},
    {"learnt standardisation",
     "input {standardisation {learn_samples: 12}} optimiser {adagrad {}}"},
};

// Spec(8, {10, 4}) of service_fixture.h, with all digests.
inline constexpr char kKindBase[] =
    "input_size: 8 layers {size: 10 activation: ACTIVATION_TANH} "
    "layers {size: 4 activation: ACTIVATION_IDENTITY} "
    "optimiser {sgd {} learning_rate: 0.05} initialiser {seed: 7} "
    "digest_every: 1";

inline v1::SessionSpec SpecOf(const Kind& kind) {
  return With(With({}, kKindBase), kind.text);
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_SESSION_KINDS_H_
