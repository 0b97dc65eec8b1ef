// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/cancellable.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "absl/status/statusor.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

constexpr auto kGlance = std::chrono::milliseconds(20);

bool Always() { return true; }
bool Never() { return false; }

// Answers nothing until the call is cancelled.
class Silent : public v1::TrainingService::Service {
  grpc::Status GetSession(grpc::ServerContext* context,
                          const v1::GetSessionRequest* /*request*/,
                          v1::GetSessionResponse* /*response*/) override {
    while (!context->IsCancelled()) std::this_thread::sleep_for(kGlance);
    return grpc::Status::CANCELLED;
  }
};

TEST(CancellableTest, AnInterruptEndsACallLongBeforeItsDeadline) {
  Silent service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  ClientOptions options;
  options.call_deadline = std::chrono::seconds(60);
  TrainingClient client(server->InProcessChannel({}), options);
  const auto begin = std::chrono::steady_clock::now();
  const auto session = Cancellable(Always, [&](Cancellation* cancellation) {
    return client.GetSession("s", cancellation);
  });
  EXPECT_EQ(session.status(), absl::CancelledError("interrupted"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            options.call_deadline / 2);
}

TEST(CancellableTest, WhatIsDoneStaysSo) {
  EXPECT_EQ(Cancellable(Always,
                        [](Cancellation*) -> absl::StatusOr<int> { return 7; })
                .value(),
            7);
}

TEST(CancellableTest, FailuresOfItsOwnAreKept) {
  const absl::Status failure = absl::NotFoundError("nobody");
  EXPECT_EQ(
      Cancellable(Never,
                  [&](Cancellation*) -> absl::StatusOr<int> { return failure; })
          .status(),
      failure);
}

}  // namespace
}  // namespace backprop::cli
