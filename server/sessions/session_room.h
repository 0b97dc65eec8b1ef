// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_ROOM_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_ROOM_H_

#include <cstddef>

#include "engine/contract/layout.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// What a session of this spec takes of SessionLimits::total_weights: the
// numbers that it holds, and at most what it knows of its history.
size_t RoomOf(const SessionSpec& spec, const Layout& layout);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_ROOM_H_
