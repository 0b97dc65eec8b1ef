// SPDX-License-Identifier: Apache-2.0
//
// Between v1.Optimiser and the engine's Optimiser and Schedule.
#ifndef BACKPROP_SERVER_TRANSLATION_OPTIMISER_H_
#define BACKPROP_SERVER_TRANSLATION_OPTIMISER_H_

#include <vector>

#include "backprop/v1/network.pb.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// Sets spec's optimiser, rule and schedule, adds what is wrong to violations,
// with paths that begin with "spec.optimiser".
void OptimiserFromProto(const v1::Optimiser& proto, SessionSpec* spec,
                        std::vector<FieldViolation>& violations);

void OptimiserToProto(const SessionSpec& spec, v1::Optimiser* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_OPTIMISER_H_
