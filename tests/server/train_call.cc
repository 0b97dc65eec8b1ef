// SPDX-License-Identifier: Apache-2.0
#include "tests/server/train_call.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

// One scalar row a step.
void RepeatScalars(uint32_t scalar_count, v1::TrainResponse* response) {
  const size_t row = scalar_count * sizeof(float);
  const size_t steps = response->step() - response->base_step();
  std::string& scalars = *response->mutable_scalars();
  if (row == 0 || scalars.size() != row) return;
  const std::string one = scalars;
  for (size_t step = 1; step < steps; ++step) scalars += one;
}

}  // namespace

TrainCall::TrainCall(v1::TrainingService::Stub& stub) {
  context_.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(120));
  stream_ = stub.Train(&context_);
}

TrainCall::TrainCall(v1::TrainingService::Stub& stub,
                     const std::string& session_id)
    : TrainCall(stub) {
  v1::TrainRequest request;
  request.set_session_id(session_id);
  Write(request);
  opening_ = Read();
}

TrainCall::TrainCall(v1::TrainingService::Stub& stub,
                     const v1::Session& session,
                     const v1::TrainOptions& options)
    : TrainCall(stub) {
  scalar_count_ = session.layout().scalar_count();
  v1::TrainRequest request;
  request.set_session_id(session.session_id());
  *request.mutable_options() = options;
  Write(request);
  opening_ = Read();
}

TrainCall::~TrainCall() {
  if (finished_) return;
  context_.TryCancel();
  stream_->Finish();
}

bool TrainCall::Write(const v1::TrainRequest& request) {
  return stream_->Write(request);
}

std::optional<v1::TrainResponse> TrainCall::ReadPart() {
  v1::TrainResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

std::optional<v1::TrainResponse> TrainCall::Read() {
  std::optional<v1::TrainResponse> merged = ReadPart();
  while (merged && merged->durable_news()) merged = ReadPart();
  if (merged) RepeatScalars(scalar_count_, &*merged);
  while (merged && !merged->message_done() && !merged->goodbye()) {
    std::optional<v1::TrainResponse> part = ReadPart();
    if (!part) return std::nullopt;
    RepeatScalars(scalar_count_, &*part);
    EXPECT_EQ(part->message_number(), merged->message_number());
    EXPECT_EQ(part->base_step(), merged->step());
    EXPECT_EQ(part->skipped_samples(), 0u) << "set in the first response only";
    merged->set_step(part->step());
    merged->set_next_offset(part->next_offset());
    merged->mutable_errors()->MergeFrom(part->errors());
    merged->mutable_deltas()->append(part->deltas());
    merged->mutable_scalars()->append(part->scalars());
    merged->mutable_outputs()->append(part->outputs());
    merged->mutable_gradient_norms()->MergeFrom(part->gradient_norms());
    merged->mutable_digests()->MergeFrom(part->digests());
    if (part->has_standardisation()) {
      *merged->mutable_standardisation() = part->standardisation();
    }
    if (part->has_rejection()) {
      *merged->mutable_rejection() = part->rejection();
    }
    merged->set_goodbye(part->goodbye());
    merged->set_message_done(part->message_done());
  }
  if (merged) {
    EXPECT_EQ(merged->step() - merged->base_step(),
              static_cast<uint64_t>(merged->errors_size()));
  }
  return merged;
}

v1::TrainResponse TrainCall::Exchange(const v1::TrainRequest& request) {
  EXPECT_TRUE(Write(request)) << "the stream has ended";
  const std::optional<v1::TrainResponse> answer = Read();
  EXPECT_TRUE(answer.has_value()) << "the stream has ended";
  return answer.value_or(v1::TrainResponse());
}

void TrainCall::HalfClose() {
  if (!half_closed_) stream_->WritesDone();
  half_closed_ = true;
}

grpc::Status TrainCall::Finish() {
  HalfClose();
  while (ReadPart()) {
  }
  finished_ = true;
  return stream_->Finish();
}

v1::TrainRequest RandomSamples(const v1::Session& session, size_t n,
                               std::mt19937& random) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  v1::TrainRequest request;
  const size_t elements = n * session.spec().input_size();
  if (session.spec().input().element_type() == v1::ELEMENT_TYPE_UINT8) {
    for (size_t i = 0; i < elements; ++i) {
      request.mutable_inputs()->push_back(static_cast<char>(random()));
    }
  } else {
    std::vector<float> inputs(elements);
    for (float& x : inputs) x = uniform(random);
    request.set_inputs(Bytes(inputs));
  }
  const v1::Layer& last = session.spec().layers().rbegin()[0];
  std::vector<float> targets(n * last.size());
  for (float& d : targets) d = uniform(random);
  request.set_targets(Bytes(targets));
  return request;
}

}  // namespace backprop::testing
