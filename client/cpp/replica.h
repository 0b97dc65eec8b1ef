// SPDX-License-Identifier: Apache-2.0
//
// A copy of a session's weights, kept bit-identical to the server's by adding
// the weight delta of every step (proto/backprop/v1/delta.proto).
//
//   absl::StatusOr<Anchor> anchor = client.DownloadWeights(id, with_state);
//   absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
//   absl::Status status = replica->Apply(answer.response, answer.inputs);
//
// A replica refuses what does not follow on its own step. It checks a response
// whole before it changes a weight, so a refused one leaves it as it was. Only
// a digest can be found wrong afterwards; the replica is then unsound and
// refuses everything until Restart.
//
// Threads: as a plain value; one at a time, or any number of readers.
//
// replica.cc takes steps; replica_check.cc is what a replica refuses, and how
// it compares itself with an anchor.
#ifndef BACKPROP_CLIENT_CPP_REPLICA_H_
#define BACKPROP_CLIENT_CPP_REPLICA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/anchor.h"
#include "engine/contract/delta.h"
#include "engine/contract/input.h"
#include "engine/contract/layout.h"

namespace backprop {

struct ReplicaDelivery;  // what a response brings, whichever call it came by

class Replica {
 public:
  // session: the server's answer; its layout is not trusted but checked.
  // anchor: TrainingClient::DownloadWeights of that session, with state where
  // session.layout().state_count() is not 0.
  // Fails with INVALID_ARGUMENT if they do not fit each other.
  static absl::StatusOr<Replica> Create(const v1::Session& session,
                                        Anchor anchor);

  // Adds the deltas of steps base_step + 1 … step, and checks the digests that
  // the response carries. From a Train stream:
  // inputs: the input rows of the samples it answers, as they were sent (in
  //   the session's input format); TrainAnswer.inputs. Read only if the first
  //   layer is FACTORED.
  // detail: what the stream was opened with (TrainOptions.deltas). NONE leaves
  //   nothing to follow by and is refused. DENSE moves the weights but not the
  //   optimiser's state: factors are refused after it, until Restart.
  // FAILED_PRECONDITION: base_step is not step(), or the replica cannot follow
  //   any more; Restart from a new anchor. INVALID_ARGUMENT: lengths that do
  //   not fit; nothing was changed. DATA_LOSS: a digest differs; the replica is
  //   unsound.
  absl::Status Apply(const v1::TrainResponse& response, std::string_view inputs,
                     v1::DeltaDetail detail = v1::DELTA_DETAIL_FACTORS);

  // The same for a watcher. A chunk of an anchor changes nothing: Restart from
  // WatchStream::TakeAnchor once it is whole. The server's last word may be
  // applied too: resync is refused with FAILED_PRECONDITION, the others hold no
  // steps.
  absl::Status Apply(const v1::WatchDeltasResponse& response);

  // Goes on from another anchor of the same session.
  absl::Status Restart(Anchor anchor);

  // Whether this is what the server has: anchor is one of the same step().
  // DATA_LOSS names the first number that differs, e.g.
  // layers[1].weights[3][17] or layers[0].bias[2]; the state of FACTORED layers
  // is compared too if the anchor has it. FAILED_PRECONDITION: it is of another
  // step.
  absl::Status Verify(const Anchor& anchor) const;

  // The step that the weights are at.
  uint64_t step() const { return step_; }
  // (weight_count), in layout order. Not to be used while !sound().
  std::span<const float> weights() const { return weights_; }
  const Layout& layout() const { return layout_; }
  // How input rows become what the network sees: standardisation included, once
  // it is known.
  const InputFormat& input_format() const { return format_; }
  // False after a digest was found wrong.
  bool sound() const { return sound_; }
  // Digest of weights(); compare it with the server's at the same step().
  uint64_t digest() const;

 private:
  Replica(Layout layout, Layout dense_layout, InputFormat format,
          bool learns_standardisation);

  // What an anchor must be like; changes nothing.
  absl::Status CheckAnchor(const Anchor& anchor) const;
  void Take(Anchor anchor);

  absl::Status Check(const ReplicaDelivery& delivery) const;
  absl::Status CheckPlace(const ReplicaDelivery& delivery) const;
  absl::Status CheckDeltas(const ReplicaDelivery& delivery) const;
  absl::Status CheckInputs(const ReplicaDelivery& delivery) const;
  absl::Status CheckDigests(const ReplicaDelivery& delivery) const;
  absl::Status Apply(const ReplicaDelivery& delivery);
  // Reads the delivery's inputs into inputs_.
  absl::Status ConvertInputRows(const ReplicaDelivery& delivery,
                                const InputFormat& format);
  // Steps first … first + count − 1 of the delivery's.
  void ApplySteps(const ReplicaDelivery& delivery, size_t first, size_t count);
  absl::Status CheckDigest(uint64_t expected);

  absl::Status VerifyState(const Anchor& anchor) const;

  bool NeedsInputs(const ReplicaDelivery& delivery) const;
  size_t ElementsPerStep() const;
  std::string PlaceOf(size_t number) const;

  // Constant after construction.
  Layout layout_;
  Layout dense_layout_;  // of deltas as DENSE: the same weights, all layers so
  size_t scalar_count_;
  bool all_dense_;  // every layer is DENSE
  bool needs_state_;
  bool learns_standardisation_;

  InputFormat format_;
  uint64_t step_ = 0;
  std::vector<float> weights_;
  std::vector<float> state_;  // (state_count, weight_count), if needs_state_
  bool state_current_ = true;
  bool sound_ = true;

  // Scratch memory of Apply, kept so that steps allocate nothing.
  std::vector<float> rows_;     // delta rows
  std::vector<float> scalars_;  // scalar rows
  std::vector<float> inputs_;   // (steps, batch_size, input_size)
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_REPLICA_H_
