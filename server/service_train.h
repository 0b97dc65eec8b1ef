// SPDX-License-Identifier: Apache-2.0
//
// The Train stream: moves bytes between gRPC and the session's turns.
#ifndef BACKPROP_SERVER_SERVICE_TRAIN_H_
#define BACKPROP_SERVER_SERVICE_TRAIN_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "server/service_call.h"

namespace backprop {

class TrainReactor;

// The open streams, so that a drain can say goodbye to each. Any thread.
class TrainStreams {
 public:
  void Add(const std::shared_ptr<TrainReactor>& stream);
  void Remove(const std::shared_ptr<TrainReactor>& stream);

  // Every stream answers the message it is at, says goodbye and ends with OK.
  void SayGoodbye();

  // Waits until no stream is open; at most until the deadline.
  void AwaitEnd(std::chrono::system_clock::time_point deadline);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_set<std::shared_ptr<TrainReactor>> streams_;  // guarded
};

// For one call of Train. context and streams must outlive it; it frees itself.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* OpenTrainStream(
    ServiceContext& context, TrainStreams& streams,
    grpc::CallbackServerContext* rpc);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SERVICE_TRAIN_H_
