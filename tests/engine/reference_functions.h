// SPDX-License-Identifier: Apache-2.0
//
// Activations and losses as network.proto defines them, in double precision,
// one obvious formula each. Shares nothing with the engine but the
// enumerations.
#ifndef BACKPROP_TESTS_ENGINE_REFERENCE_FUNCTIONS_H_
#define BACKPROP_TESTS_ENGINE_REFERENCE_FUNCTIONS_H_

#include <span>
#include <vector>

#include "engine/network.h"

namespace backprop::testing {

using Vector = std::vector<double>;

struct ReferenceActivation {
  Activation activation;
  const char* name;
  // a = f(z), for a whole layer.
  Vector (*value)(const Vector& z);
  // f′(z) of one element. Null where the loss takes it in (softmax).
  double (*derivative)(double z);
  // How far z is from a point where f has no derivative; infinite if there is
  // none. Closer than rounding, two right implementations may disagree.
  double (*kink_distance)(double z);
};

struct ReferenceLoss {
  Loss loss;
  const char* name;
  // E of one sample; z: the last layer's pre-activations, y = f(z), d: target.
  double (*error)(const Vector& z, const Vector& y, const Vector& d);
  // δ = ∂E/∂z of the last layer, whose activation is f.
  Vector (*signal)(const ReferenceActivation& f, const Vector& z,
                   const Vector& y, const Vector& d);
};

// Every one there is. Tests that must hold for all of them go through these
// lists, and leave out what Validate refuses.
std::span<const ReferenceActivation> ReferenceActivations();
std::span<const ReferenceLoss> ReferenceLosses();

const ReferenceActivation& Reference(Activation activation);
const ReferenceLoss& Reference(Loss loss);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_REFERENCE_FUNCTIONS_H_
