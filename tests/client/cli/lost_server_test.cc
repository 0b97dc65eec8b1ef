// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/lost_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "client/cpp/call_status.h"
#include "client/cpp/training_stub.h"
#include "tests/client/error_status.h"
#include "tests/client/mock_stub.h"

namespace backprop::cli {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::DoAll;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Return;
using ::testing::SetArgPointee;

class LostServerTest : public ::testing::Test {
 protected:
  // What is said after 1,234 steps of session "s". It must not be OK.
  absl::Status Said(const absl::Status& status, const std::string& output) {
    TrainingClient client(TrainingStub{stub_});
    absl::Status said = LostServer(client,
                                   {.address = "10.0.0.1:50051",
                                    .session_id = "s",
                                    .steps = 1234,
                                    .output = output},
                                   status);
    EXPECT_TRUE(IsLostServer(said)) << said;
    EXPECT_THAT(Text(said), AllOf(HasSubstr("after 1,234 steps"),
                                  HasSubstr("the server at 10.0.0.1:50051")));
    return said;
  }

  static std::string Text(const absl::Status& status) {
    return std::string(status.message());
  }

  std::shared_ptr<backprop::testing::MockStub> stub_ =
      backprop::testing::NewMockStub();
};

TEST_F(LostServerTest, AServerThatShutDownHasNoSessionsAndIsNotAsked) {
  EXPECT_CALL(*stub_, GetSession(_, _, _)).Times(0);
  const absl::Status status =
      WithReason(absl::UnavailableError("bye"), "SHUTTING_DOWN");
  const absl::Status said = Said(status, "");
  EXPECT_THAT(Text(said),
              AllOf(HasSubstr("its sessions are gone with it"),
                    HasSubstr("With --output FILE"), Not(HasSubstr("go on"))));
  EXPECT_EQ(ReasonOf(said), "SHUTTING_DOWN");
  EXPECT_THAT(Text(Said(status, "w.npy")),
              AllOf(HasSubstr("weights of the last step are in w.npy"),
                    Not(HasSubstr("--output"))));
}

TEST_F(LostServerTest, ABrokenConnectionLeavesASessionToGoOnWith) {
  v1::GetSessionResponse found;
  found.mutable_session()->set_session_id("s");
  found.mutable_session()->set_step(1300);
  EXPECT_CALL(*stub_, GetSession(_, _, _))
      .WillOnce(DoAll(SetArgPointee<2>(found), Return(grpc::Status::OK)));
  const absl::Status said = Said(absl::UnavailableError("socket closed"), "");
  EXPECT_THAT(Text(said), AllOf(HasSubstr("broke"), HasSubstr("socket closed"),
                                HasSubstr("still there, at step 1,300: go on "
                                          "with --session s"),
                                Not(HasSubstr("gone"))));
  // Not UNAVAILABLE: nobody need ask whether the server runs.
  EXPECT_EQ(said.code(), absl::StatusCode::kAborted);
}

TEST_F(LostServerTest, AServerThatWasStartedAnewHasNoSuchSession) {
  const google::rpc::Status details =
      backprop::testing::ErrorStatus("SESSION_NOT_FOUND");
  EXPECT_CALL(*stub_, GetSession(_, _, _))
      .WillOnce(Return(grpc::Status(grpc::StatusCode::NOT_FOUND, "no 's'",
                                    details.SerializeAsString())));
  const absl::Status said = Said(absl::UnavailableError("socket closed"), "");
  EXPECT_THAT(Text(said),
              AllOf(HasSubstr("has no session s"), HasSubstr("started anew"),
                    HasSubstr("With --output FILE")));
  EXPECT_EQ(said.code(), absl::StatusCode::kNotFound);
}

TEST_F(LostServerTest, OfAServerOutOfReachNothingIsKnown) {
  EXPECT_CALL(*stub_, GetSession(_, _, _))
      .WillOnce(Return(grpc::Status(grpc::StatusCode::UNAVAILABLE, "refused")));
  const absl::Status said =
      Said(absl::UnavailableError("socket closed"), "w.npy");
  EXPECT_THAT(Text(said), AllOf(HasSubstr("cannot be made again"),
                                HasSubstr("If the server has ended"),
                                HasSubstr("are in w.npy")));
  EXPECT_EQ(said.code(), absl::StatusCode::kUnavailable);
}

// Of an HTTP/2 stream that was reset, gRPC says INTERNAL.
TEST_F(LostServerTest, AStreamThatAProxyCutLeavesASessionToGoOnWith) {
  const absl::Status cut = FromGrpc(
      {grpc::StatusCode::INTERNAL, "Received RST_STREAM with error code 2"});
  EXPECT_TRUE(LeavesSessionInDoubt(cut)) << cut;
  EXPECT_CALL(*stub_, GetSession(_, _, _)).WillOnce(Return(grpc::Status::OK));
  const absl::Status said = Said(cut, "");
  EXPECT_THAT(Text(said), AllOf(HasSubstr("cut on its way"),
                                HasSubstr("go on with --session s")));
  // For the advice about proxies.
  EXPECT_EQ(ConnectionFaultOf(said), ConnectionFault::kCut);
}

TEST(LeavesSessionInDoubtTest, AnswersOfTheServerDoNot) {
  EXPECT_TRUE(LeavesSessionInDoubt(absl::UnavailableError("socket closed")));
  EXPECT_TRUE(LeavesSessionInDoubt(FromGrpc(
      {grpc::StatusCode::UNKNOWN, "Received http2 header with status: 502"})));
  EXPECT_FALSE(LeavesSessionInDoubt(absl::OkStatus()));
  EXPECT_FALSE(LeavesSessionInDoubt(absl::InternalError("a bug")));
  EXPECT_FALSE(LeavesSessionInDoubt(absl::CancelledError("interrupted")));
}

TEST(IsLostServerTest, OtherFailuresAreNone) {
  EXPECT_FALSE(IsLostServer(absl::OkStatus()));
  EXPECT_FALSE(IsLostServer(absl::UnavailableError("refused")));
}

}  // namespace
}  // namespace backprop::cli
