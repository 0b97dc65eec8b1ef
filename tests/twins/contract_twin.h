// SPDX-License-Identifier: Apache-2.0
//
// The delta contract (proto/backprop/v1/delta.proto) written out once more,
// from its text alone: float32, one weight at a time, each operation rounded by
// itself. What the engine, the server and the C++ replica make of a step's
// delta row is compared with what these lines make of it.
//
// It shares nothing with them and knows neither their types nor protobuf's, so
// that one twin serves all tests: reference_delta.h says in the engine's types
// what session it is, session_twin.h in the protocol's.
#ifndef BACKPROP_TESTS_TWINS_CONTRACT_TWIN_H_
#define BACKPROP_TESTS_TWINS_CONTRACT_TWIN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace backprop::testing {

// Rounds to float32 whatever the compiler would like to keep or fuse.
float Fl(float value);

// How g becomes D, (3) and (7). Numbers are v1.Rule's.
enum class TwinRule : uint8_t {
  kNone = 1,  // D = g: the factors are of kind DELTA
  kSgd,
  kMomentum,
  kNesterov,
  kAdagrad,
  kRmsProp,
  kAdam,
  kLion,
};

// One layer. Positions count floats.
struct TwinLayer {
  size_t inputs = 0;
  size_t outputs = 0;
  size_t weights_begin = 0;  // in the weights; (outputs, inputs)
  size_t bias_begin = 0;     // in the weights; (outputs)
  size_t delta_begin = 0;    // in the delta row
  bool dense = false;
};

struct TwinSession {
  TwinRule rule = TwinRule::kNone;
  size_t batch_size = 1;
  std::vector<TwinLayer> layers = {};
};

// What a step brings.
struct TwinStep {
  std::span<const float> row;      // (delta_row_length)
  std::span<const float> x;        // (batch_size, input_size), what the network
                                   // saw
  std::span<const float> scalars;  // (scalar_count)
  uint64_t number;                 // from 1 on
};

// (7) for one weight in the step of that number: returns D. state: the weight's
// entry of each state vector, in their order; moved on.
float WeightDelta(TwinRule rule, std::span<const float> scalars,
                  uint64_t number, float g, float w, float* state);

// Takes one step: moves the weights, (weight_count), and of FACTORED layers the
// state, (state_count, weight_count). Returns D in layout order,
// (weight_count).
std::vector<float> TakeStep(const TwinSession& session, const TwinStep& step,
                            std::span<float> weights, std::span<float> state);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_CONTRACT_TWIN_H_
