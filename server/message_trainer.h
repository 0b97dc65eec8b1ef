// SPDX-License-Identifier: Apache-2.0
//
// One message of a Train stream on its way through a session: checked whole,
// then trained part by part, each part answered by one response.
#ifndef BACKPROP_SERVER_MESSAGE_TRAINER_H_
#define BACKPROP_SERVER_MESSAGE_TRAINER_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/metrics.h"
#include "server/sample_decoder.h"
#include "server/session.h"

namespace backprop {

// Used within turns of the session's lane only.
class MessageTrainer {
 public:
  // metrics must outlive the object.
  MessageTrainer(std::shared_ptr<Session> session, Metrics& metrics)
      : session_(std::move(session)), metrics_(metrics) {}

  // The message to train on: parse into this, then call Begin. It is read until
  // a response has message_done.
  v1::TrainRequest& request() { return request_; }

  // message_number: as in TrainResponse.
  void Begin(uint64_t message_number);

  // Trains the next part, a few milliseconds at most for nets of ordinary size,
  // and fills response (cleared by the caller). Call until message_done.
  void Next(Worker& worker, v1::TrainResponse* response);

  // After message_done, when request() is no longer needed: frees what a large
  // one holds, so that a stream that waits costs little.
  void End();

 private:
  // Sets count_, next_ and skipped_. Nothing is applied if it fails.
  absl::Status Check();
  absl::Status TrainPart(Worker& worker, v1::TrainResponse* response);
  // Steps in one part: bounds a response's size and a turn's length.
  size_t StepsInPart() const;
  SampleBytes Samples() const;

  const std::shared_ptr<Session> session_;
  Metrics& metrics_;
  v1::TrainRequest request_;
  uint64_t message_number_ = 0;
  bool checked_ = false;  // Check has been called for this message
  size_t count_ = 0;      // samples in the message
  size_t next_ = 0;       // first sample not yet trained on
  size_t skipped_ = 0;    // samples at the front applied before
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_MESSAGE_TRAINER_H_
