// SPDX-License-Identifier: Apache-2.0
//
// A Train stream's answers on their way to its writer.
#ifndef BACKPROP_SERVER_RPC_RESPONSE_OUTBOX_H_
#define BACKPROP_SERVER_RPC_RESPONSE_OUTBOX_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/train_flow.h"
#include "server/ops/metrics.h"
#include "server/sessions/standing.h"

namespace backprop {

// Under the lock of the stream that owns it. Whatever it does to the queue it
// tells the flow.
class ResponseOutbox {
 public:
  // Both must outlive the object.
  ResponseOutbox(TrainFlow& flow, Metrics& metrics)
      : flow_(flow), metrics_(metrics) {}

  // until: how far the session has to be durable before the response is
  // written, and so what follows it; nothing: it need not wait.
  void Send(const grpc::ByteBuffer& response,
            std::optional<Progress> until = {});

  // For a stream that coalesces: sends the response where nothing is being
  // written, else holds it back to be merged with what follows it. Takes
  // *response's content. scalar_count: of the session's layout. Fails where
  // memory is short; the response is lost then.
  absl::Status SendOrHold(size_t scalar_count, v1::TrainResponse* response,
                          std::optional<Progress> until = {});

  // The response held back. Fails as SendOrHold.
  absl::Status SendHeld();

  // News of what is durable. Fails as SendOrHold.
  absl::Status SendDurable(const v1::TrainResponse& news);

  // The stream's last response. Fails as SendOrHold.
  absl::Status SendGoodbye(const v1::TrainResponse& goodbye);

  // Whether the response held back may have to wait until it is durable.
  bool HoldsOneToWait() const {
    return held_ != nullptr && held_until_.has_value();
  }

  // The session is durable so far.
  void Release(const Progress& durable);

  // Whether the next to be written has waited, so that it says what was durable
  // long ago. Renew makes it say what is now.
  bool FrontIsOld() const { return queue_.front().is_old; }
  void Renew(const Progress& durable);

  // The next to be written.
  grpc::ByteBuffer TakeFront();

 private:
  struct Queued {
    grpc::ByteBuffer bytes;
    std::optional<Progress> until;
    bool is_old = false;  // will be, when it is written
  };

  // Returns the response's length.
  size_t Push(const grpc::ByteBuffer& response,
              std::optional<Progress> until = {});

  TrainFlow& flow_;
  Metrics& metrics_;
  std::deque<Queued> queue_;
  bool renewed_ = false;  // one was; an answer may have been made before that
  std::unique_ptr<v1::TrainResponse> held_;  // behind queue_; null: none
  std::optional<Progress> held_until_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_RESPONSE_OUTBOX_H_
