// SPDX-License-Identifier: Apache-2.0
//
// Between v1.History and the server's.
#ifndef BACKPROP_SERVER_TRANSLATION_HISTORY_H_
#define BACKPROP_SERVER_TRANSLATION_HISTORY_H_

#include <vector>

#include "absl/status/status.h"
#include "backprop/v1/network.pb.h"
#include "engine/contract/field_violation.h"
#include "engine/contract/layout.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// Sets spec->history, after spec->durability; adds what is wrong to violations,
// with paths that begin with "spec.history".
void HistoryFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                      std::vector<FieldViolation>& violations);

// Nothing where none is kept.
void HistoryToProto(const HistoryLimits& limits, v1::SessionSpec* proto);

// INVALID_REQUEST on spec.history where that is to be kept, but steps of such a
// session don't bring it back.
absl::Status CheckHistory(const SessionSpec& spec, const Layout& layout);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_HISTORY_H_
