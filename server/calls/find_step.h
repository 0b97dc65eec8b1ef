// SPDX-License-Identifier: Apache-2.0
//
// The steps of a session's history, for RPCs that are about one.
#ifndef BACKPROP_SERVER_CALLS_FIND_STEP_H_
#define BACKPROP_SERVER_CALLS_FIND_STEP_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "server/calls/find_checkpoint.h"
#include "server/calls/service_context.h"
#include "server/sessions/session.h"

namespace backprop {

// Fails with STEP_NOT_KEPT or STEP_NOT_REACHED, with the steps that there are.
absl::Status CheckKept(const Session& session, uint64_t step);

// Reads the session as it was after that step, off the turns, and calls done
// with what ReadStep gives, from any thread.
void ReadPastStep(ServiceContext& context,
                  const std::shared_ptr<Session>& session, uint64_t step,
                  PastRead done);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_FIND_STEP_H_
