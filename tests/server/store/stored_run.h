// SPDX-License-Identifier: Apache-2.0
//
// A run of the engine's trainer, and the pieces that a session which did it
// might have left in a store.
#ifndef BACKPROP_TESTS_SERVER_STORE_STORED_RUN_H_
#define BACKPROP_TESTS_SERVER_STORE_STORED_RUN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/contract/input.h"
#include "server/store/session_image.h"
#include "server/store/session_steps.h"
#include "server/store/store.h"
#include "tests/engine/problem.h"

namespace backprop::testing {

// All of a session's numbers.
struct Numbers {
  std::vector<float> weights;
  std::vector<float> state;
};

// A call of Trainer::Train that was done: steps after base up to step.
struct TrainedCall {
  uint64_t base = 0;
  uint64_t step = 0;
};

// What was trained, and everything that came of it.
struct TrainedRun {
  Problem problem;
  InputFormat format;
  std::string inputs;  // as they came: what problem.inputs were made of
  Results results;
  std::vector<TrainedCall> calls;
  std::map<uint64_t, Numbers> after;  // step 0 of the run and each call's last

  // first_step − 1: where the run begins.
  uint64_t begin() const { return problem.first_step - 1; }
  uint64_t end() const { return calls.back().step; }

  // The steps of a call, as the server has them. as_values: as TrainStep does.
  StepsPart PartOf(const TrainedCall& call, bool as_values) const;
  StepsWriter WriterAfter(uint64_t step) const {
    return {problem.layout, format.element_type, step};
  }
  // Fails the test if it can't.
  std::string PieceOf(const ImageRange& range) const;
};

// A tenth and more of whose inputs are zero. standardised: by columns.
InputFormat RandomFormat(Random& random, ElementType type, size_t columns,
                         bool standardised);
std::string RandomInputs(Random& random, ElementType type, size_t elements);

// Trains the problem on inputs of that format, in calls of those steps.
TrainedRun TrainOn(Problem problem, const InputFormat& format,
                   const Calls& calls, uint32_t seed);

// Of any network, optimiser, batch size and format; a third of the layers
// DENSE, unless the optimiser has state.
TrainedRun RandomRun(uint32_t seed);

// Pieces, and the session that they are of.
class PieceShelf {
 public:
  void Put(PieceKind kind, uint64_t base, uint64_t step, uint64_t first,
           std::string bytes);
  void PutSteps(StepsWriter& writer);  // what it has collected
  void PutImage(const TrainedRun& run, const ImageRange& range);

  StoredSession At(uint64_t step) const;
  absl::StatusOr<std::string> Read(uint64_t number) const;
  std::map<uint64_t, Piece>& pieces() { return pieces_; }

 private:
  std::map<uint64_t, Piece> pieces_;
  uint64_t next_ = 7;
};

// RestoreNumbers into memory that holds other numbers.
absl::StatusOr<Numbers> Restored(const TrainedRun& run, const PieceShelf& shelf,
                                 uint64_t step);

// Fails the test unless they have the same bits.
void ExpectSameBits(const Numbers& expected, const Numbers& got);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_STORED_RUN_H_
