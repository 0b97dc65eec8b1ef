// SPDX-License-Identifier: Apache-2.0
//
// Pieces of a session that nobody needs any more and that are still in the
// store. They go by ranges of their numbers, some with each change: what a
// session gives up at once may be a year's steps, and all sessions' commits
// wait for one that takes long. What a crash leaves of them is known by what it
// is: neither of the present nor of the past, and held by no checkpoint.
#ifndef BACKPROP_SERVER_SESSIONS_REMOVALS_H_
#define BACKPROP_SERVER_SESSIONS_REMOVALS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/sessions/checkpoint.h"
#include "server/store/store.h"

namespace backprop {

// As a plain value.
class Removals {
 public:
  // With one change go at most about so many numbers and bytes, or twice what
  // it puts, so that no more piles up than goes.
  static constexpr size_t kMostNumbers = 1024;
  static constexpr size_t kMostBytes = size_t{32} << 20;

  // Pieces with these numbers, about so many bytes together.
  void Owe(uint64_t first, uint64_t last, size_t bytes);
  // The last that are owed, up to this number, and so many bytes more.
  void OweOn(uint64_t last, size_t bytes);

  bool any() const { return !owed_.empty(); }

  // Adds the next of them to the change, after all else of it, but for those
  // that are held and those with the numbers in `stay`, which are for Take to
  // sort. What the change itself puts of them it does not.
  void Take(const HeldPieces& held, std::vector<uint64_t> stay,
            SessionChange& change);

 private:
  struct Owed {
    uint64_t first = 0;
    uint64_t last = 0;
    size_t bytes = 0;
  };

  std::vector<Owed> owed_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_REMOVALS_H_
