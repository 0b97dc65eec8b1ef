// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_TRAIN_CALL_H_
#define BACKPROP_TESTS_SERVER_TRAIN_CALL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <random>
#include <string>

#include "backprop/v1/training_service.grpc.pb.h"

namespace backprop::testing {

// One Train stream, used by one thread at a time (writing and reading may be
// done by two).
class TrainCall {
 public:
  // Opens the stream and reads the answer to its opening, if there is one. The
  // call has a deadline of 120 s.
  TrainCall(v1::TrainingService::Stub& stub, const std::string& session_id);
  // The same with options. Scalar rows that hold for all steps of a response
  // are repeated for each by Read.
  TrainCall(v1::TrainingService::Stub& stub, const v1::Session& session,
            const v1::TrainOptions& options = {});
  // Without an opening: the caller writes the first message itself.
  explicit TrainCall(v1::TrainingService::Stub& stub);
  // Cancels what still runs.
  ~TrainCall();

  // The answer to the opening; nothing if the server refused it.
  const std::optional<v1::TrainResponse>& opening() const { return opening_; }

  bool Write(const v1::TrainRequest& request);
  // Reads the whole answer to one message, merged into one response; nothing
  // if the stream ended. Adds a failure where its parts don't follow each
  // other. Skips news of what is durable.
  std::optional<v1::TrainResponse> Read();
  // Reads one response as it came.
  std::optional<v1::TrainResponse> ReadPart();
  // Write, then Read. Adds a failure if the stream ended.
  v1::TrainResponse Exchange(const v1::TrainRequest& request);
  // Half-closes, skips what is still to read, returns the call's status.
  grpc::Status Finish();
  void HalfClose();
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::TrainRequest, v1::TrainResponse>>
      stream_;
  std::optional<v1::TrainResponse> opening_;
  uint32_t scalar_count_ = 0;
  bool half_closed_ = false;
  bool finished_ = false;
};

// A message of n random samples for the session: inputs of its element type,
// targets in ±1.
v1::TrainRequest RandomSamples(const v1::Session& session, size_t n,
                               std::mt19937& random);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_TRAIN_CALL_H_
