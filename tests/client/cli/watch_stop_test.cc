// SPDX-License-Identifier: Apache-2.0
//
// A watch that is stopped while its call is being made. Only a call of gRPC's
// own can show that it was cancelled.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>

#include "client/cli/run/watch_run.h"
#include "client/cpp/training_stub.h"
#include "tests/client/cpp/http2_peer.h"
#include "tests/client/cpp/session_message.h"
#include "tests/client/mock_stub.h"

namespace backprop::cli {
namespace {

using ::testing::_;
using ::testing::Invoke;

constexpr auto kPatience = std::chrono::seconds(30);

TEST(WatchStopTest, AWatchThatIsStoppedBeforeItsCallExistsEnds) {
  const backprop::testing::Http2Peer peer;  // answers no call
  const auto silent = v1::TrainingService::NewStub(
      grpc::CreateChannel(peer.address(), grpc::InsecureChannelCredentials()));
  const auto stub = backprop::testing::NewMockStub();
  std::promise<WatchRun*> made;
  EXPECT_CALL(*stub, WatchDeltasRaw(_, _))
      .WillOnce(Invoke([&](grpc::ClientContext* context,
                           const v1::WatchDeltasRequest& request) {
        made.get_future().get()->Stop();
        // Ends a test that fails.
        context->set_deadline(std::chrono::system_clock::now() + 2 * kPatience);
        return silent->WatchDeltas(context, request).release();
      }));
  TrainingClient client(TrainingStub{stub});
  WatchRun run(client, testing::SessionMessage(1, {1}), std::nullopt,
               RetryPolicy());
  made.set_value(&run);
  const WatchProgress end = run.Wait(kPatience);
  EXPECT_TRUE(end.ended);
  EXPECT_TRUE(end.status.ok()) << end.status;
}

}  // namespace
}  // namespace backprop::cli
