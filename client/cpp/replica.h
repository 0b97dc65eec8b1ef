// SPDX-License-Identifier: Apache-2.0
//
// A copy of a session's weights, kept bit-identical to the server's by adding
// the weight delta of every step (proto/backprop/v1/delta.proto).
//
//   absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
//   absl::Status status = replica->Apply(answer.response, answer.inputs);
//
// A replica refuses what does not follow on its own step. It checks a response
// whole before it changes a weight, so a refused one leaves it as it was. Only
// a digest can be found wrong afterwards; the replica is then unsound and
// refuses everything until Restart.
//
// Threads: as a plain value; one at a time, or any number of readers.
#ifndef BACKPROP_CLIENT_CPP_REPLICA_H_
#define BACKPROP_CLIENT_CPP_REPLICA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/weights.h"
#include "engine/input.h"
#include "engine/layout.h"

namespace backprop {

class Replica {
 public:
  // session: the server's answer; its layout is not trusted but checked.
  // anchor: TrainingClient::DownloadWeights of that session.
  // Fails with INVALID_ARGUMENT if they do not fit each other.
  static absl::StatusOr<Replica> Create(const v1::Session& session,
                                        Weights anchor);

  // Adds the deltas of steps base_step + 1 … step, and checks the digests that
  // the response carries.
  // inputs: the input rows of the samples it answers, as they were sent (in
  //   the session's input format); TrainAnswer.inputs. Read only if the first
  //   layer is FACTORED.
  // FAILED_PRECONDITION: base_step is not step(), or the replica is unsound;
  //   Restart from a new anchor. INVALID_ARGUMENT: lengths that do not fit;
  //   nothing was changed. DATA_LOSS: a digest differs; the replica is unsound.
  absl::Status Apply(const v1::TrainResponse& response,
                     std::string_view inputs);

  // Goes on from another anchor of the same session.
  absl::Status Restart(Weights anchor);

  // The step that the weights are at.
  uint64_t step() const { return step_; }
  // (weight_count), in layout order. Not to be used while !sound().
  std::span<const float> weights() const { return weights_; }
  const Layout& layout() const { return layout_; }
  // False after a digest was found wrong.
  bool sound() const { return sound_; }
  // Digest of weights(); compare it with the server's at the same step().
  uint64_t digest() const;

 private:
  Replica(Layout layout, InputFormat format, Weights anchor);

  absl::Status Check(const v1::TrainResponse& response,
                     std::string_view inputs) const;
  bool NeedsInputs() const;
  size_t InputBytesPerStep() const;

  // Constant after construction.
  Layout layout_;
  InputFormat format_;

  uint64_t step_;
  std::vector<float> weights_;
  bool sound_ = true;

  // Scratch memory of Apply, kept so that steps allocate nothing.
  std::vector<float> row_;     // (delta_row_length)
  std::vector<float> inputs_;  // (steps, batch_size, input_size)
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_REPLICA_H_
