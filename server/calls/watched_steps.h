// SPDX-License-Identifier: Apache-2.0
//
// What a turn of a session did, told to those who watch it and to its journal.
#ifndef BACKPROP_SERVER_CALLS_WATCHED_STEPS_H_
#define BACKPROP_SERVER_CALLS_WATCHED_STEPS_H_

#include <cstddef>
#include <string_view>

#include "engine/training/training.h"
#include "server/sessions/session.h"

namespace backprop {

struct WatchedSteps {
  const TrainRun* run = nullptr;   // of the steps; null: there were none
  size_t steps = 0;                // of run, from its first on
  std::string_view inputs = {};    // the input rows of those steps' samples, as
                                   // they came, or ...
  bool inputs_are_values = false;  // ... float32 as the network saw them
  const TrainOutcome* outcome = nullptr;  // digests and where it began; or null
  bool learnt_standardisation = false;
};

// Appends them to the session's feed, if anybody wants it, and to its journal
// if it is durable. In the turn of the session's lane that did them,
// afterwards.
void TellOfSteps(Session& session, const WatchedSteps& watched);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_WATCHED_STEPS_H_
