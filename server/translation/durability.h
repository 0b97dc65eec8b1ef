// SPDX-License-Identifier: Apache-2.0
//
// Between v1.Durability and the server's.
#ifndef BACKPROP_SERVER_TRANSLATION_DURABILITY_H_
#define BACKPROP_SERVER_TRANSLATION_DURABILITY_H_

#include <vector>

#include "backprop/v1/network.pb.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// Sets spec->durability; adds what is wrong to violations, with paths that
// begin with "spec.durability".
void DurabilityFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                         std::vector<FieldViolation>& violations);

// Nothing where the mode is not known.
void DurabilityToProto(const Durability& durability, v1::SessionSpec* proto);

// SessionSpec.expire_after, likewise.
void ExpiryFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                     std::vector<FieldViolation>& violations);
void ExpiryToProto(std::chrono::nanoseconds expire_after,
                   v1::SessionSpec* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_DURABILITY_H_
