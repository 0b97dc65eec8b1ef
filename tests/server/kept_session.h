// SPDX-License-Identifier: Apache-2.0
//
// A session as a client keeps it, written from the protocol's text alone.
#ifndef BACKPROP_TESTS_SERVER_KEPT_SESSION_H_
#define BACKPROP_TESTS_SERVER_KEPT_SESSION_H_

#include <gtest/gtest.h>

#include <string>

#include "backprop/v1/training_service.grpc.pb.h"

namespace backprop::testing {

struct KeptSession {
  v1::SessionSpec spec;
  v1::Anchor anchor;

  // Puts together what GetWeights says, as Anchor tells.
  static KeptSession Of(v1::TrainingService::Stub& stub,
                        const std::string& session_id) {
    KeptSession kept;
    v1::GetWeightsRequest request;
    request.set_session_id(session_id);
    request.set_with_state(true);
    grpc::ClientContext context;
    const auto reader = stub.GetWeights(&context, request);
    std::string numbers;
    size_t weight_bytes = 0;
    bool first = true;
    for (v1::GetWeightsResponse chunk; reader->Read(&chunk); first = false) {
      numbers += chunk.weights();
      EXPECT_EQ(chunk.has_continuation(), first);
      EXPECT_EQ(chunk.has_spec(), first);
      if (!first) continue;
      weight_bytes = chunk.weight_count() * sizeof(float);
      kept.anchor.set_step(chunk.step());
      kept.anchor.set_next_offset(chunk.next_offset());
      kept.anchor.set_digest(chunk.digest());
      if (chunk.has_standardisation()) {
        *kept.anchor.mutable_standardisation() = chunk.standardisation();
      }
      *kept.anchor.mutable_continuation() = chunk.continuation();
      kept.spec = chunk.spec();
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    kept.anchor.set_weights(numbers.substr(0, weight_bytes));
    kept.anchor.set_state(numbers.substr(weight_bytes));
    return kept;
  }

  // What puts it back.
  v1::CreateSessionRequest Request() const {
    v1::CreateSessionRequest request;
    *request.mutable_spec() = spec;
    *request.mutable_initial() = anchor;
    return request;
  }
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_KEPT_SESSION_H_
