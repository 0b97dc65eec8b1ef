// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/sample_feed.h"

#include <algorithm>
#include <numeric>

#include "client/cli/data/shuffle.h"

namespace backprop::cli {

SampleFeed::SampleFeed(const Dataset& dataset, size_t batch_size,
                       size_t samples_per_message,
                       std::optional<uint64_t> shuffle_seed)
    : dataset_(dataset),
      batch_size_(batch_size),
      message_samples_(
          std::max(batch_size, samples_per_message / batch_size * batch_size)),
      shuffle_seed_(shuffle_seed) {}

std::vector<uint32_t> SampleFeed::NextOrder() const {
  if (shuffle_seed_.has_value()) {
    return ShuffledOrder(dataset_.samples, *shuffle_seed_, epoch_);
  }
  std::vector<uint32_t> order(dataset_.samples);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

void SampleFeed::BeginLearning(uint64_t samples) {
  order_ = NextOrder();
  order_.resize(std::min<uint64_t>(
      samples, dataset_.samples / batch_size_ * batch_size_));
  end_ = order_.size();
  at_ = 0;
}

void SampleFeed::BeginEpoch() {
  order_.erase(order_.begin(), order_.begin() + static_cast<ptrdiff_t>(end_));
  const std::vector<uint32_t> order = NextOrder();
  order_.insert(order_.end(), order.begin(), order.end());
  end_ = order_.size() / batch_size_ * batch_size_;
  at_ = 0;
  ++epoch_;
}

size_t SampleFeed::epoch_messages() const {
  return (end_ + message_samples_ - 1) / message_samples_;
}

bool SampleFeed::Next(v1::TrainRequest* request) {
  if (at_ >= end_) return false;
  request->Clear();
  const size_t end = std::min(end_, at_ + message_samples_);
  request->mutable_inputs()->reserve((end - at_) * dataset_.row_bytes());
  for (; at_ < end; ++at_) dataset_.AppendSample(order_[at_], request);
  return true;
}

}  // namespace backprop::cli
