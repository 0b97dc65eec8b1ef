// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_SESSIONS_JOURNAL_MOMENT_H_
#define BACKPROP_SERVER_SESSIONS_JOURNAL_MOMENT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "server/sessions/session_spec.h"
#include "server/sessions/standing.h"

namespace backprop {

// A session at one moment, as its journal is told of it: all that may have to
// be stored. What it refers to stays the caller's.
struct JournalMoment {
  const SessionBirth& birth;
  const Standing& standing;
  std::shared_ptr<const SessionSpec> spec;
  std::span<const float> weights;
  std::span<const float> state;
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();

  uint64_t step() const { return standing.progress.step; }
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_JOURNAL_MOMENT_H_
