// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_ENGINE_TRAINING_CREW_H_
#define BACKPROP_ENGINE_TRAINING_CREW_H_

#include <cstddef>
#include <functional>

namespace backprop {

// Threads that share the work of one call, where a network is so large that one
// thread's arithmetic is what a session waits for.
class Crew {
 public:
  virtual ~Crew() = default;

  // How many parts are worth making. Constant, so that a run's numbers don't
  // depend on who is busy.
  virtual size_t size() const = 0;

  // Calls part(0) … part(count − 1), each once, perhaps on several threads at
  // the same time; returns when all have returned. part may not call Share.
  // What it throws, which may be std::bad_alloc only, Share throws.
  virtual void Share(size_t count, const std::function<void(size_t)>& part) = 0;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_CREW_H_
