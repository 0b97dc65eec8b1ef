// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/open_streams.h"

#include <utility>
#include <vector>

namespace backprop {

void OpenStreams::Add(std::shared_ptr<OpenStream> stream) {
  std::lock_guard lock(mutex_);
  streams_.insert(std::move(stream));
}

void OpenStreams::Remove(const std::shared_ptr<OpenStream>& stream) {
  std::lock_guard lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) changed_.notify_all();
}

void OpenStreams::AwaitEnd(std::chrono::system_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return streams_.empty(); });
}

void OpenStreams::SayGoodbye() {
  std::vector<std::shared_ptr<OpenStream>> streams;
  {
    std::lock_guard lock(mutex_);
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const auto& stream : streams) stream->SayGoodbye();
}

}  // namespace backprop
