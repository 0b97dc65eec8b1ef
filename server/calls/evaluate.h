// SPDX-License-Identifier: Apache-2.0
//
// Evaluate's work: error and accuracy added up over a stream's messages.
#ifndef BACKPROP_SERVER_CALLS_EVALUATE_H_
#define BACKPROP_SERVER_CALLS_EVALUATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "engine/network/predictor.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/session.h"

namespace backprop {

// One stream's session and sums. One thread has it at a time.
class SampleEvaluator {
 public:
  explicit SampleEvaluator(std::shared_ptr<Session> session)
      : session_(std::move(session)) {}

  const std::shared_ptr<Session>& session() const { return session_; }

  // A message's samples. request must stay until Next has returned a status.
  void Begin(const v1::EvaluateRequest* request);

  // Does a turn's worth of them. Call, in turns of the session's lane with
  // nothing of that lane between them, until it returns a status:
  // INVALID_REQUEST if the message is at fault, NOT_READY, NON_FINITE_OUTPUT,
  // else OK.
  std::optional<absl::Status> Next(Worker& worker);

  // The sums over all messages. Fails with INVALID_REQUEST if there were no
  // samples.
  absl::Status Finish(v1::EvaluateResponse* response) const;

 private:
  absl::Status Check();

  const std::shared_ptr<Session> session_;
  Evaluation total_;
  uint64_t first_step_ = 0;  // of the first message with samples
  uint64_t last_step_ = 0;   // of the last one

  const v1::EvaluateRequest* request_ = nullptr;
  std::shared_ptr<const SessionSpec> spec_;  // of the message's moment
  size_t count_ = 0;  // samples in the message; 0: not checked yet
  size_t next_ = 0;   // first sample not yet evaluated
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_EVALUATE_H_
