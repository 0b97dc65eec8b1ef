// SPDX-License-Identifier: Apache-2.0
//
// grpc.health.v1, asked byte by byte, as its generated code is not in Debian.
#include <grpcpp/generic/generic_stub.h>

#include <future>

#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

class HealthTest : public ServiceTest {
 protected:
  // HealthCheckResponse.status of a service; -1 and *status if the call fails.
  int Check(const std::string& service, grpc::Status* status) {
    std::string bytes;
    if (!service.empty()) {  // HealthCheckRequest.service is field 1
      bytes.push_back('\x0a');
      bytes.push_back(static_cast<char>(service.size()));
      bytes.append(service);
    }
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::ClientContext context;
    std::promise<grpc::Status> done;
    grpc::GenericStub(channel()).UnaryCall(
        &context, "/grpc.health.v1.Health/Check", {}, &request, &response,
        [&done](grpc::Status result) { done.set_value(std::move(result)); });
    *status = done.get_future().get();
    grpc::Slice answer;
    if (!status->ok() || !response.DumpToSingleSlice(&answer).ok() ||
        answer.size() != 2 || answer.begin()[0] != 0x08) {
      return -1;
    }
    return answer.begin()[1];
  }
};
BACKPROP_OVER_BOTH_TRANSPORTS(HealthTest);

TEST_P(HealthTest, TheServerAndItsServiceAreServing) {
  constexpr int kServing = 1;
  grpc::Status status;
  EXPECT_EQ(Check("", &status), kServing) << status.error_message();
  EXPECT_EQ(Check("backprop.v1.TrainingService", &status), kServing)
      << status.error_message();
}

TEST_P(HealthTest, AnUnknownServiceIsNotFound) {
  grpc::Status status;
  EXPECT_EQ(Check("nobody.v1.Service", &status), -1);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace backprop::testing
