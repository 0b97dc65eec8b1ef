// SPDX-License-Identifier: Apache-2.0
#include "tests/server/calls/train_flow_model.h"

#include <deque>
#include <unordered_map>
#include <utility>

#include "tests/server/calls/train_flow_world.h"

namespace backprop::testing {
namespace {

// ModelStates once each, with how they were come to.
class Walk {
 public:
  FlowWalk Through(const FlowWorld& world) {
    Add(ModelState(world), 0, "open");
    for (size_t at = 0; at < states_.size() && walk_.broken.empty(); ++at) {
      const ModelState state = states_[at].state;
      const auto due = state.Due();
      if (due.empty()) AtEnd(state, at);
      for (const auto& event : due) Follow(state, at, event);
      for (const auto& event : state.Possible()) Follow(state, at, event);
    }
    walk_.states = states_.size();
    return walk_;
  }

 private:
  struct Step {
    ModelState state;
    size_t from;
    std::string event;
  };

  void AtEnd(ModelState state, size_t at) {
    ++walk_.ends;
    state.CheckEnd();
    Report(state, at);
  }

  void Follow(ModelState state, size_t from, const ModelState::Event& event) {
    event.second(state);
    Add(std::move(state), from, event.first);
  }

  void Add(ModelState state, size_t from, const std::string& event) {
    auto& alike = by_key_[state.Key()];
    for (const size_t other : alike) {
      // One that is alike may have been come to on a way that broke nothing.
      if (state.broken().empty() && states_[other].state.SameFlow(state)) {
        return;
      }
    }
    alike.push_back(states_.size());
    states_.push_back({std::move(state), from, event});
    Report(states_.back().state, states_.size() - 1);
  }

  void Report(const ModelState& state, size_t at) {
    if (state.broken().empty() || !walk_.broken.empty()) return;
    walk_.broken = state.broken();
    for (; at != 0; at = states_[at].from) {
      walk_.path.insert(walk_.path.begin(), states_[at].event);
    }
  }

  std::deque<Step> states_;
  std::unordered_map<std::string, std::vector<size_t>> by_key_;
  FlowWalk walk_;
};

}  // namespace

FlowWalk WalkThrough(const FlowWorld& world) { return Walk().Through(world); }

}  // namespace backprop::testing
