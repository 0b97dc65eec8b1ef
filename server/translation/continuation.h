// SPDX-License-Identifier: Apache-2.0
//
// Between v1.Continuation and what a session goes on from.
#ifndef BACKPROP_SERVER_TRANSLATION_CONTINUATION_H_
#define BACKPROP_SERVER_TRANSLATION_CONTINUATION_H_

#include <cstdint>
#include <vector>

#include "backprop/v1/training_service.pb.h"
#include "server/sessions/session.h"

namespace backprop {

// Adds a violation of "initial.<field>" if a session can't have so many steps
// or samples behind it.
void CheckCount(uint64_t count, const char* field,
                std::vector<FieldViolation>& violations);

// Sets all of standing but its progress, for a session of this spec. Adds what
// is wrong to violations, with paths that begin with "initial.continuation.".
void ContinuationFromProto(const v1::Continuation& proto,
                           const SessionSpec& spec, Standing* standing,
                           std::vector<FieldViolation>& violations);

// spec: the session's of that moment. with_learning: also what input
// standardisation has been learnt from, which may be long.
void ContinuationToProto(const Standing& standing, const SessionSpec& spec,
                         bool with_learning, v1::Continuation* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_CONTINUATION_H_
