// SPDX-License-Identifier: Apache-2.0
//
// Cuts epochs of samples into messages of whole steps.
#ifndef BACKPROP_CLIENT_CLI_DATA_SAMPLE_FEED_H_
#define BACKPROP_CLIENT_CLI_DATA_SAMPLE_FEED_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "backprop/v1/training_service.pb.h"
#include "client/cli/data/dataset.h"

namespace backprop::cli {

// What does not fill a step at an epoch's end is carried into the next one.
class SampleFeed {
 public:
  // batch_size: samples a step. samples_per_message is cut to a multiple of
  // it, but at least one step. shuffle_seed: none to keep the data's order.
  // dataset must outlive the feed.
  SampleFeed(const Dataset& dataset, size_t batch_size,
             size_t samples_per_message, std::optional<uint64_t> shuffle_seed);

  // Lays out messages of so many samples, a multiple of batch_size, or of as
  // many whole steps as there are: those that the first epoch begins with. To
  // be called before the first epoch.
  void BeginLearning(uint64_t samples);
  // Lays out the next epoch's messages.
  void BeginEpoch();
  // Samples of this epoch's messages, the carried ones included.
  size_t epoch_samples() const { return end_; }
  size_t epoch_messages() const;
  size_t batch_size() const { return batch_size_; }
  // Fills in the epoch's next message; false: there is none.
  bool Next(v1::TrainRequest* request);
  // Samples that fill no step so far.
  size_t left_over() const { return order_.size() - end_; }

 private:
  std::vector<uint32_t> NextOrder() const;

  // Constant after construction.
  const Dataset& dataset_;
  const size_t batch_size_;
  const size_t message_samples_;
  const std::optional<uint64_t> shuffle_seed_;

  uint64_t epoch_ = 0;
  std::vector<uint32_t> order_;  // what is laid out
  size_t end_ = 0;               // those before it fill whole steps
  size_t at_ = 0;                // the next message begins here
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_SAMPLE_FEED_H_
