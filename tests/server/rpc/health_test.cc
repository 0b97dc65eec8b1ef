// SPDX-License-Identifier: Apache-2.0
//
// grpc.health.v1, while the server serves; drain_test.cc has the rest.
#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

class HealthTest : public ServiceTest {};

TEST_F(HealthTest, TheServerAndItsServiceAreServing) {
  constexpr int kServing = 1;
  grpc::Status status;
  EXPECT_EQ(Health("", &status), kServing) << status.error_message();
  EXPECT_EQ(Health("backprop.v1.TrainingService", &status), kServing)
      << status.error_message();
}

TEST_F(HealthTest, AnUnknownServiceIsNotFound) {
  grpc::Status status;
  EXPECT_EQ(Health("nobody.v1.Service", &status), -1);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace backprop::testing
