// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/open_streams.h"

#include <utility>
#include <vector>

namespace backprop {

void OpenStreams::Add(std::shared_ptr<OpenStream> stream) {
  MutexLock lock(mutex_);
  streams_.insert(std::move(stream));
}

void OpenStreams::Remove(const std::shared_ptr<OpenStream>& stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) changed_.NotifyAll();
}

void OpenStreams::AwaitEnd(std::chrono::system_clock::time_point deadline) {
  MutexLock lock(mutex_);
  while (!streams_.empty() && changed_.WaitUntil(mutex_, deadline)) {
  }
}

void OpenStreams::SayGoodbye() {
  std::vector<std::shared_ptr<OpenStream>> streams;
  {
    MutexLock lock(mutex_);
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const auto& stream : streams) stream->SayGoodbye();
}

}  // namespace backprop
