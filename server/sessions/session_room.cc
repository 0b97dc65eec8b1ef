// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session_room.h"

#include "server/sessions/history.h"

namespace backprop {

size_t RoomOf(const SessionSpec& spec, const Layout& layout) {
  return NumbersHeld(spec, layout) + (spec.history.any() ? kPastNumbers : 0);
}

}  // namespace backprop
