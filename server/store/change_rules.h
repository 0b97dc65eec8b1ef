// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_STORE_CHANGE_RULES_H_
#define BACKPROP_SERVER_STORE_CHANGE_RULES_H_

#include <span>

#include "absl/status/status.h"
#include "server/store/store.h"

namespace backprop {

// Whether the changes keep to the rules of store.h, as far as they alone show
// it: INVALID_ARGUMENT else.
absl::Status CheckChanges(std::span<const SessionChange> changes);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_CHANGE_RULES_H_
