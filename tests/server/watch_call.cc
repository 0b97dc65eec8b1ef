// SPDX-License-Identifier: Apache-2.0
#include "tests/server/watch_call.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/server/service_fixture.h"

namespace backprop::testing {

WatchCall::WatchCall(v1::TrainingService::Stub& stub,
                     const v1::WatchDeltasRequest& request) {
  Open(stub, request);
}

WatchCall::WatchCall(v1::TrainingService::Stub& stub,
                     const std::string& session_id,
                     std::optional<uint64_t> after_step) {
  v1::WatchDeltasRequest request;
  request.set_session_id(session_id);
  if (after_step.has_value()) request.set_after_step(*after_step);
  Open(stub, request);
}

WatchCall::~WatchCall() {
  context_.TryCancel();
  Finish();
}

void WatchCall::Open(v1::TrainingService::Stub& stub,
                     const v1::WatchDeltasRequest& request) {
  context_.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(60));
  stream_ = stub.WatchDeltas(&context_, request);
}

grpc::Status WatchCall::Finish() {
  if (!finished_) status_ = stream_->Finish();
  finished_ = true;
  return status_;
}

v1::WatchDeltasRequest WithAnchor(const v1::Session& session) {
  v1::WatchDeltasRequest request;
  request.set_session_id(session.session_id());
  request.set_with_anchor(true);
  request.set_with_state(session.layout().state_count() > 0);
  return request;
}

// A message that a trainer might have got: what ReferenceReplica reads.
void ApplyTo(ReferenceReplica& replica,
             const v1::WatchDeltasResponse& watched) {
  v1::TrainRequest request;
  request.set_inputs(watched.inputs());
  v1::TrainResponse response;
  response.set_base_step(watched.base_step());
  response.set_step(watched.step());
  response.set_deltas(watched.deltas());
  response.set_scalars(watched.scalars());
  replica.Apply(request, response);
}

void AnchoredReplica::TakeChunk(const v1::WatchDeltasResponse& response) {
  const v1::GetWeightsResponse& chunk = response.anchor();
  EXPECT_EQ(response.base_step(), chunk.step());
  EXPECT_EQ(response.step(), chunk.step());
  EXPECT_EQ(response.next_offset(), chunk.next_offset());
  EXPECT_EQ(response.errors_size(), 0);
  EXPECT_EQ(chunk.first_weight(), coming_.size());
  EXPECT_EQ(chunk.weight_count(), session_.layout().weight_count());
  const std::vector<float> numbers = Floats(chunk.weights());
  coming_.insert(coming_.end(), numbers.begin(), numbers.end());
  if (!response.anchor_done()) return;
  session_.set_step(chunk.step());
  replica_.emplace(ReferenceReplica::WithState(session_, coming_));
  EXPECT_EQ(replica_->digest(), chunk.digest());
  coming_.clear();
  ++anchors_;
}

void AnchoredReplica::Take(const v1::WatchDeltasResponse& response) {
  EXPECT_FALSE(response.resync());
  if (response.has_anchor()) return TakeChunk(response);
  EXPECT_TRUE(coming_.empty()) << "something came between an anchor's chunks";
  if (!replica_.has_value() || response.step() == response.base_step()) return;
  ApplyTo(*replica_, response);
  steps_ += response.step() - response.base_step();
}

bool AnchoredReplica::ReadTo(uint64_t step, WatchCall& watch) {
  v1::WatchDeltasResponse response;
  while (!replica_.has_value() || replica_->step() < step) {
    if (!watch.Read(&response)) return false;
    Take(response);
  }
  return true;
}

}  // namespace backprop::testing
