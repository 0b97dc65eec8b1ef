// SPDX-License-Identifier: Apache-2.0
//
// What becomes of sessions that nobody uses: they leave memory, and at last
// they are deleted, if they are to be.
#ifndef BACKPROP_SERVER_CALLS_IDLE_SESSIONS_H_
#define BACKPROP_SERVER_CALLS_IDLE_SESSIONS_H_

#include <chrono>

#include "server/calls/service_context.h"

namespace backprop {

// Every few seconds. now: by the system's clock.
void TidySessions(ServiceContext& context,
                  std::chrono::system_clock::time_point now);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_IDLE_SESSIONS_H_
