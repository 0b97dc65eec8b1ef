// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_RPC_OPEN_STREAMS_H_
#define BACKPROP_SERVER_RPC_OPEN_STREAMS_H_

#include <chrono>
#include <memory>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "server/threads/mutex.h"

namespace backprop {

// A stream that can be told to end. Any thread.
class OpenStream {
 public:
  virtual ~OpenStream() = default;
  // Answers what it is at, says goodbye and ends with OK.
  virtual void SayGoodbye() = 0;
};

// The open streams, so that a drain can say goodbye to each. Any thread.
class OpenStreams {
 public:
  void Add(std::shared_ptr<OpenStream> stream);
  void Remove(const std::shared_ptr<OpenStream>& stream);

  void SayGoodbye();

  // Waits until no stream is open; at most until the deadline.
  void AwaitEnd(std::chrono::system_clock::time_point deadline);

 private:
  Mutex mutex_;
  CondVar changed_;
  std::unordered_set<std::shared_ptr<OpenStream>> streams_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_OPEN_STREAMS_H_
