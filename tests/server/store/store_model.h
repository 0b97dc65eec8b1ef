// SPDX-License-Identifier: Apache-2.0
//
// What a store has to do, done with maps in memory, and changes of which
// nothing but a seed is known.
#ifndef BACKPROP_TESTS_SERVER_STORE_STORE_MODEL_H_
#define BACKPROP_TESTS_SERVER_STORE_STORE_MODEL_H_

#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/store/store.h"

namespace backprop::testing {

class StoreModel {
 public:
  // As store.h says of Store::Commit.
  std::vector<ChangeOutcome> Commit(std::span<const SessionChange> changes);

  // Reads all that the store has. Its error, where it tells of one; UNKNOWN,
  // with what it is, where it says something else than this does, and where it
  // knows nothing of what should be there.
  absl::Status Compare(Store& store) const;

  friend class RandomChanges;

 private:
  struct Session {
    SessionHead head;
    std::vector<EpochStart> epochs;
    std::map<uint64_t, Piece> pieces;
  };

  ChangeOutcome Apply(const SessionChange& change);
  absl::Status CompareHeads(Store& store) const;
  absl::Status CompareSession(Store& store, const Session& session) const;

  std::map<std::string, Session> sessions_;
};

// Keeps to the rules of store.h, but for sessions in other epochs than the
// change believes.
class RandomChanges {
 public:
  // largest: bytes of a piece.
  RandomChanges(uint64_t seed, size_t largest)
      : random_(seed), largest_(largest) {}

  // For one commit to a store that says what the model does. Every other one is
  // small, so that a log holds several: what a fault leaves of each differs.
  std::vector<SessionChange> Next(const StoreModel& model);

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  std::string Bytes(size_t longest);
  SessionChange One(const StoreModel& model);
  void RemovePieces(const StoreModel::Session& session, SessionChange& change);
  void ChangePieces(const StoreModel::Session* session, SessionChange& change);

  std::mt19937_64 random_;
  const size_t largest_;
  size_t longest_ = 0;  // in this commit
  uint64_t next_number_ = 1;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_STORE_MODEL_H_
