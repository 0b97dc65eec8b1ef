// SPDX-License-Identifier: Apache-2.0
//
// Everything that defines a session's training (SessionSpec in
// proto/backprop/v1/network.proto).
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_SPEC_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_SPEC_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/contract/field_violation.h"
#include "engine/contract/input.h"
#include "engine/contract/layout.h"
#include "engine/contract/optimiser.h"
#include "engine/network/network.h"
#include "engine/random/initialiser.h"
#include "engine/training/schedule.h"

namespace backprop {

// The numbers are the protocol's.
enum class DurabilityMode : uint8_t {
  kServers = 0,  // what the server has: only before a session is made
  kMemory = 1,
  kDurable = 2,
};

struct Durability {
  DurabilityMode mode = DurabilityMode::kServers;
  std::chrono::milliseconds max_lag{20};  // of kDurable
};

// Which past steps are kept; 0: no limit. What lies beyond any of them goes.
struct HistoryLimits {
  uint64_t max_steps = 0;
  std::chrono::nanoseconds max_age{0};
  uint64_t max_bytes = 0;

  // False: none are kept.
  bool any() const {
    return max_steps != 0 || max_age.count() != 0 || max_bytes != 0;
  }
};

// The effective spec of a session: validated, all defaults filled in.
struct SessionSpec {
  NetworkSpec network;
  // One a layer; nullopt: the cheaper one, which the layout then names.
  std::vector<std::optional<DeltaForm>> delta_forms;
  Optimiser optimiser;
  // What the layout then has for good: RuleOf(optimiser) at the session's
  // creation, or that of the session whose weights and state it took over.
  Rule rule = rules::None::kRule;
  Schedule schedule;  // the learning rate with it
  size_t batch_size = 1;
  std::optional<Initialiser> initialiser;  // nullopt: weights were given
  InputFormat input;           // with standardisation once it is known
  uint64_t learn_samples = 0;  // that standardisation is learnt from; 0: none
  float min_deviation = 0;     // learnt at least; 0: as LeastDeviation says
  uint32_t digest_every = 1024;
  uint64_t dropout_seed = 0;
  std::string display_name;  // UTF-8; what people call it, maybe nothing
  Durability durability;
  std::chrono::nanoseconds expire_after{0};  // while it is idle; 0: never
  HistoryLimits history;
};

// Empty if a session may be called so. name: UTF-8.
std::vector<FieldViolation> ValidateDisplayName(std::string_view name);

// Whether input standardisation has still to be learnt.
inline bool AwaitsStandardisation(const SessionSpec& spec) {
  return spec.learn_samples != 0 && spec.input.mean.empty();
}

// Whether the numbers of one rule's state mean the same to the other.
bool StateFits(Rule rule, Rule origin);

// NOT_READY while input standardisation has still to be learnt.
absl::Status CheckReady(const SessionSpec& spec);

// Numbers of 4 bytes that a session of this spec holds: weights, optimiser
// state, and what standardises its inputs or learns to.
size_t NumbersHeld(const SessionSpec& spec, const Layout& layout);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_SPEC_H_
