// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_RUN_EVALUATION_H_
#define BACKPROP_CLIENT_CLI_RUN_EVALUATION_H_

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/data/dataset.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// Samples for one message of Evaluate or Predict: about 1 MiB of inputs and
// outputs, far below any server's limit.
inline size_t RowsPerMessage(const Dataset& dataset, size_t output_size) {
  constexpr size_t kMessageBytes = size_t{1} << 20;
  return std::max<size_t>(
      1, kMessageBytes / (dataset.row_bytes() + sizeof(float) * output_size));
}

// Error and accuracy of the session's network over all samples.
inline absl::StatusOr<v1::EvaluateResponse> EvaluateDataset(
    TrainingClient& client, const std::string& session_id,
    const Dataset& dataset) {
  const size_t rows = RowsPerMessage(dataset, 1);
  size_t at = 0;
  return client.Evaluate(session_id, [&](v1::EvaluateRequest* request) {
    if (at >= dataset.samples) return false;
    const size_t end = std::min(dataset.samples, at + rows);
    for (; at < end; ++at) dataset.AppendSample(at, request);
    return true;
  });
}

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_EVALUATION_H_
