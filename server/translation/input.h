// SPDX-License-Identifier: Apache-2.0
//
// Between v1.InputFormat and the server's structs.
#ifndef BACKPROP_SERVER_TRANSLATION_INPUT_H_
#define BACKPROP_SERVER_TRANSLATION_INPUT_H_

#include <string>
#include <vector>

#include "backprop/v1/network.pb.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// Sets spec->input and spec->learn_samples; spec->network.input_size and
// spec->batch_size must be set. Adds what is wrong to violations, with paths
// that begin with "spec.input".
void InputFromProto(const v1::InputFormat& proto, SessionSpec* spec,
                    std::vector<FieldViolation>& violations);

// Sets spec->input.mean and .factor to what proto holds of both, if anything;
// paths begin with `path`.
void KnownStandardisationFromProto(const v1::Standardisation& proto,
                                   const std::string& path, SessionSpec* spec,
                                   std::vector<FieldViolation>& violations);

void InputToProto(const SessionSpec& spec, v1::InputFormat* proto);

// What is known of the session's; requires that it has one.
void StandardisationToProto(const SessionSpec& spec,
                            v1::Standardisation* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_INPUT_H_
