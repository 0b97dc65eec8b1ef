// SPDX-License-Identifier: Apache-2.0
//
// A Train stream's answers on their way to its writer.
#ifndef BACKPROP_SERVER_RPC_RESPONSE_OUTBOX_H_
#define BACKPROP_SERVER_RPC_RESPONSE_OUTBOX_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/train_flow.h"
#include "server/ops/metrics.h"

namespace backprop {

// Under the lock of the stream that owns it. Whatever it does to the queue it
// tells the flow.
class ResponseOutbox {
 public:
  // Both must outlive the object.
  ResponseOutbox(TrainFlow& flow, Metrics& metrics)
      : flow_(flow), metrics_(metrics) {}

  void Send(grpc::ByteBuffer response);

  // For a stream that coalesces: sends the response where nothing is being
  // written, else holds it back to be merged with what follows it. Takes
  // *response's content. scalar_count: of the session's layout. Fails where
  // memory is short; the response is lost then.
  absl::Status SendOrHold(size_t scalar_count, v1::TrainResponse* response);

  // The response held back. Fails as SendOrHold.
  absl::Status SendHeld();

  // News of what is durable. Fails as SendOrHold.
  absl::Status SendDurable(const v1::TrainResponse& news);

  // The stream's last response. Fails as SendOrHold.
  absl::Status SendGoodbye(const v1::TrainResponse& goodbye);

  // The next to be written.
  grpc::ByteBuffer TakeFront();

 private:
  // Returns the response's length.
  size_t Push(grpc::ByteBuffer response);

  TrainFlow& flow_;
  Metrics& metrics_;
  std::deque<grpc::ByteBuffer> queue_;
  std::unique_ptr<v1::TrainResponse> held_;  // behind queue_; null: none
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_RESPONSE_OUTBOX_H_
