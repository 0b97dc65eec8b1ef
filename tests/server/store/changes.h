// SPDX-License-Identifier: Apache-2.0
//
// Changes for the tests of a store, in few words.
#ifndef BACKPROP_TESTS_SERVER_STORE_CHANGES_H_
#define BACKPROP_TESTS_SERVER_STORE_CHANGES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/store/store.h"

namespace backprop::testing {

inline Piece Image(uint64_t number, std::string bytes) {
  return {{.number = number,
           .kind = PieceKind::kImage,
           .base_step = 0,
           .step = number * 10,
           .first_number = number * 100},
          std::move(bytes)};
}

// In epoch 1, at its first step.
inline SessionChange Creation(const std::string& id, std::vector<Piece> put) {
  SessionChange change;
  change.head = {.id = id, .epoch = 1, .step = 0, .body = "made " + id};
  change.put = std::move(put);
  return change;
}

// Within an epoch.
inline SessionChange Advance(const std::string& id, uint64_t epoch,
                             uint64_t step, std::vector<Piece> put = {},
                             std::vector<uint64_t> remove = {}) {
  SessionChange change;
  change.head = {.id = id,
                 .epoch = epoch,
                 .step = step,
                 .body = "at " + std::to_string(step)};
  change.expected_epoch = epoch;
  change.put = std::move(put);
  change.remove = std::move(remove);
  return change;
}

// From one epoch to the next.
inline SessionChange NextEpoch(const std::string& id, uint64_t epoch,
                               uint64_t step) {
  SessionChange change = Advance(id, epoch, step);
  ++change.head.epoch;
  return change;
}

inline SessionChange Erasure(const std::string& id, uint64_t epoch) {
  SessionChange change;
  change.head.id = id;
  change.expected_epoch = epoch;
  change.erase = true;
  return change;
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_CHANGES_H_
