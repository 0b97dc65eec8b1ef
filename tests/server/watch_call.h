// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_WATCH_CALL_H_
#define BACKPROP_TESTS_SERVER_WATCH_CALL_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backprop/v1/training_service.grpc.pb.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {

// One WatchDeltas call with a deadline of 60 s.
class WatchCall {
 public:
  WatchCall(v1::TrainingService::Stub& stub,
            const v1::WatchDeltasRequest& request);
  // Without anchors.
  WatchCall(v1::TrainingService::Stub& stub, const std::string& session_id,
            std::optional<uint64_t> after_step = std::nullopt);
  // Cancels what still runs.
  ~WatchCall();

  bool Read(v1::WatchDeltasResponse* response) {
    return stream_->Read(response);
  }
  grpc::Status Finish();
  void Cancel() { context_.TryCancel(); }

 private:
  void Open(v1::TrainingService::Stub& stub,
            const v1::WatchDeltasRequest& request);

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchDeltasResponse>> stream_;
  grpc::Status status_;
  bool finished_ = false;
};

// A request for anchors, with state where the session's replicas need it.
v1::WatchDeltasRequest WithAnchor(const v1::Session& session);

// Adds a watched response's deltas.
void ApplyTo(ReferenceReplica& replica, const v1::WatchDeltasResponse& watched);

// A replica as WatchDeltas with with_anchor is meant to keep one. Adds a
// failure to the test where chunks have gaps, deltas don't follow, or an
// anchor's weights are not those of its digest.
class AnchoredReplica {
 public:
  explicit AnchoredReplica(const v1::Session& session) : session_(session) {}

  void Take(const v1::WatchDeltasResponse& response);
  // Reads and takes until the replica has come to that step. False: the stream
  // ended before.
  bool ReadTo(uint64_t step, WatchCall& watch);

  // Since the first anchor:
  const ReferenceReplica& replica() const { return *replica_; }
  bool has_begun() const { return replica_.has_value(); }

  int anchors() const { return anchors_; }   // whole ones
  uint64_t steps() const { return steps_; }  // that came as deltas

 private:
  void TakeChunk(const v1::WatchDeltasResponse& response);

  v1::Session session_;
  std::vector<float> coming_;
  std::optional<ReferenceReplica> replica_;
  int anchors_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_WATCH_CALL_H_
