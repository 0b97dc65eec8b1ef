// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_RANDOM_SAMPLES_H_
#define BACKPROP_CLIENT_CLI_DATA_RANDOM_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "backprop/v1/network.pb.h"
#include "backprop/v1/training_service.pb.h"

namespace backprop::cli {

// Messages of samples that fit a spec, to measure with: the same on every
// machine for one seed. Inputs are as an image's pixels, four of five 0 and the
// others up to 1, or up to 255 where they travel as bytes. They come again
// after some messages; their targets, a class, or 0 or 1 where there is one
// output, are drawn anew each time. So there is nothing to learn, and the
// weight deltas do not fade, however long it goes on.
class RandomSamples {
 public:
  RandomSamples(const v1::SessionSpec& spec, size_t samples_per_message,
                uint64_t seed);

  v1::TrainRequest Next();

 private:
  // Constant after construction.
  const size_t samples_per_message_;
  const uint32_t outputs_;
  std::vector<std::string> inputs_;  // of the messages, one after the other

  std::mt19937_64 random_;
  size_t next_ = 0;  // in inputs_
};

// Whether a message of so many samples surely has no more than `most` bytes.
bool FitsMessage(const v1::SessionSpec& spec, uint64_t samples, uint64_t most);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_RANDOM_SAMPLES_H_
