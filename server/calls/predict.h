// SPDX-License-Identifier: Apache-2.0
//
// Predict's work: the outputs of many rows, in turns of bounded length.
#ifndef BACKPROP_SERVER_CALLS_PREDICT_H_
#define BACKPROP_SERVER_CALLS_PREDICT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/session.h"

namespace backprop {

// One request on its way. Only within turns of the session's lane with nothing
// of that lane between them, so that all rows meet the same weights.
class RowPredictor {
 public:
  // request and response must outlive the object. most_bytes: of the answer; a
  // single row may have more.
  RowPredictor(std::shared_ptr<Session> session,
               const v1::PredictRequest& request, size_t most_bytes,
               v1::PredictResponse* response)
      : session_(std::move(session)),
        request_(request),
        most_bytes_(most_bytes),
        response_(*response) {}

  // What the answer takes at most; any thread, before the first turn.
  size_t answer_bytes() const;

  // Does a turn's worth of rows. Call until it returns a status:
  // INVALID_REQUEST if the request is at fault, NOT_READY, NON_FINITE_OUTPUT,
  // else OK.
  std::optional<absl::Status> Next(Worker& worker);

 private:
  // Sets rows_ and makes room for their outputs.
  absl::Status Check();
  absl::Status CheckValues();
  // Of the rows from next_ on.
  absl::Status CheckOutputs(std::span<const float> outputs) const;

  const std::shared_ptr<Session> session_;
  const v1::PredictRequest& request_;
  const size_t most_bytes_;
  v1::PredictResponse& response_;
  std::shared_ptr<const SessionSpec> spec_;  // of the first turn
  size_t rows_ = 0;                          // 0: not checked yet
  size_t next_ = 0;                          // first row without outputs
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_PREDICT_H_
