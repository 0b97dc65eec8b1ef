// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_TRANSLATION_SESSION_METADATA_H_
#define BACKPROP_SERVER_TRANSLATION_SESSION_METADATA_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "server/sessions/session.h"

namespace backprop {

// What a safetensors file says of a session beside its numbers
// (engine/interchange/session_tensors.h): the same texts as the command's. Only
// within a turn of its lane, or where nobody else knows it.
absl::StatusOr<std::map<std::string, std::string>> SessionMetadata(
    Session& session, bool with_state);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_SESSION_METADATA_H_
