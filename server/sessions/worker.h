// SPDX-License-Identifier: Apache-2.0
//
// What a thread of the compute pool owns and lends to the turn that it runs.
//
// Training and prediction need much more memory than a session's weights: rows
// of inputs, of activations, of deltas. A session that had these for itself
// would hold them while it waits for its client, which is nearly always. So
// they belong to the threads, of which there are few: a session that does
// nothing costs its weights and little more, and a turn allocates nothing,
// because what it needs has grown long ago.
#ifndef BACKPROP_SERVER_SESSIONS_WORKER_H_
#define BACKPROP_SERVER_SESSIONS_WORKER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "engine/kernels/scratch.h"
#include "engine/network/predictor.h"
#include "engine/training/trainer.h"

namespace backprop {

// Used by one turn at a time, from its beginning to its end; what the fields
// hold then means nothing to the next turn. Shapes are those that a turn
// writes, in the words of engine/training/training.h: n samples in `steps`
// steps. What is to be sent may lie in the answer instead, so that nobody
// copies it there.
struct Worker {
  // crew: as Trainer's.
  explicit Worker(Crew* crew = nullptr) : trainer(crew) {}

  Trainer trainer;
  Predictor predictor;
  Scratch inputs;  // (n, InputStride), or (n, input_size) where none trains
  std::vector<float> targets;         // (n, output_size)
  std::vector<float> outputs;         // (n, output_size)
  std::vector<float> errors;          // (steps)
  std::vector<float> gradient_norms;  // (steps)
  std::vector<float> deltas;          // (steps, delta_row_length)
  std::vector<float> scalars;         // (steps, scalar_count)
};

// The first `size` numbers of a worker's scratch, which grows if it has fewer
// and never shrinks. Of a Scratch they begin at a cache line.
inline std::span<float> Grown(Scratch& scratch, size_t size) {
  return {scratch.Get(size), size};
}
inline std::span<float> Grown(std::vector<float>& scratch, size_t size) {
  if (scratch.size() < size) scratch.resize(size);
  return {scratch.data(), size};
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_WORKER_H_
