// SPDX-License-Identifier: Apache-2.0
//
// Between v1.Initialiser and the engine's.
#ifndef BACKPROP_SERVER_TRANSLATION_INITIALISER_H_
#define BACKPROP_SERVER_TRANSLATION_INITIALISER_H_

#include <vector>

#include "backprop/v1/network.pb.h"
#include "engine/network/network.h"
#include "engine/random/initialiser.h"

namespace backprop {

// Adds what is wrong to violations, with paths that begin with
// "spec.initialiser".
Initialiser InitialiserFromProto(const v1::Initialiser& proto,
                                 std::vector<FieldViolation>& violations);

void InitialiserToProto(const Initialiser& initialiser, v1::Initialiser* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_INITIALISER_H_
