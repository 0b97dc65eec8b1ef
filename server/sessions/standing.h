// SPDX-License-Identifier: Apache-2.0
//
// What a session is beside its spec, weights and optimiser state.
#ifndef BACKPROP_SERVER_SESSIONS_STANDING_H_
#define BACKPROP_SERVER_SESSIONS_STANDING_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/training/schedule.h"
#include "engine/training/standardiser.h"
#include "server/sessions/done_requests.h"

namespace backprop {

// How far a session has come.
struct Progress {
  uint64_t step = 0;         // steps done
  uint64_t next_offset = 0;  // samples applied
};

// What a session's next steps depend on beside its spec, weights and optimiser
// state.
struct Standing {
  Progress progress;
  uint64_t state_age = 0;  // steps since the optimiser's state was zero
  SchedulePosition schedule;
  // While input standardisation is being learnt; nullopt: from the first of its
  // samples on.
  std::optional<Standardiser> standardiser;
  // No step depends on these, but they stand and fall with the steps.
  DoneRequests requests = {};
};

// What a session is from its first day on.
struct SessionBirth {
  std::string id;
  std::chrono::system_clock::time_point time = std::chrono::system_clock::now();
  std::string forked_from = {};  // empty: none
  RequestKey request = {};       // that made it
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_STANDING_H_
