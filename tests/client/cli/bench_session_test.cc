// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/bench_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "client/cpp/training_stub.h"
#include "tests/client/mock_stub.h"

namespace backprop::cli {
namespace {

using ::testing::_;
using ::testing::DoAll;
using ::testing::HasSubstr;
using ::testing::Invoke;
using ::testing::Not;
using ::testing::Property;
using ::testing::Return;
using ::testing::SetArgPointee;

class BenchSessionTest : public ::testing::Test {
 protected:
  BenchSessionTest() {
    made_.mutable_session()->set_session_id("s1");
    spec_.set_display_name("a name");
  }

  absl::StatusOr<v1::Session> Make() {
    return MakeBenchSession(client_, spec_);
  }

  v1::CreateSessionResponse made_;
  v1::SessionSpec spec_;
  std::shared_ptr<backprop::testing::MockStub> stub_ =
      backprop::testing::NewMockStub();
  TrainingClient client_{TrainingStub{stub_}};
};

TEST_F(BenchSessionTest, EachSessionIsAskedForByAnIdOfItsOwn) {
  std::string first;
  EXPECT_CALL(*stub_, CreateSession(_, _, _))
      .WillOnce(Invoke([&](auto*, const auto& request, auto* response) {
        first = request.request_id();
        *response = made_;
        return grpc::Status();
      }))
      .WillOnce(Invoke([&](auto*, const auto& request, auto* response) {
        EXPECT_NE(request.request_id(), first);
        *response = made_;
        return grpc::Status();
      }));
  EXPECT_CALL(*stub_, DeleteSession(_, _, _)).Times(0);
  EXPECT_EQ(Make()->session_id(), "s1");
  EXPECT_EQ(Make()->session_id(), "s1");
  EXPECT_FALSE(first.empty());
  EXPECT_LE(first.size(), 128U);
}

TEST_F(BenchSessionTest, WhatWasMadeThoughItsAnswerWasLostIsDeleted) {
  for (const auto code :
       {grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::DEADLINE_EXCEEDED}) {
    std::string asked;
    EXPECT_CALL(*stub_, CreateSession(_, _, _))
        .WillOnce(Invoke([&](auto*, const auto& request, auto*) {
          asked = request.request_id();
          return grpc::Status(code, "lost");
        }))
        .WillOnce(Invoke([&](auto*, const auto& request, auto* response) {
          EXPECT_EQ(request.request_id(), asked);
          *response = made_;
          return grpc::Status();
        }));
    EXPECT_CALL(
        *stub_,
        DeleteSession(_, Property(&v1::DeleteSessionRequest::session_id, "s1"),
                      _))
        .WillOnce(Return(grpc::Status()));
    const absl::Status status = Make().status();
    EXPECT_EQ(static_cast<int>(status.code()), static_cast<int>(code));
    EXPECT_THAT(std::string(status.message()), HasSubstr("lost"));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("may be left")));
  }
}

TEST_F(BenchSessionTest, WhereItIsNotKnownWhatWasMadeItIsSaid) {
  EXPECT_CALL(*stub_, CreateSession(_, _, _))
      .Times(2)
      .WillRepeatedly(
          Return(grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost")));
  const absl::Status status = Make().status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("lost. A session called 'a name' may be left: look at backprop "
                "session list"));
}

TEST_F(BenchSessionTest, ARefusalMadeNothing) {
  EXPECT_CALL(*stub_, CreateSession(_, _, _))
      .WillOnce(Return(
          grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no such loss")));
  EXPECT_EQ(Make().status(), absl::InvalidArgumentError("no such loss"));
}

}  // namespace
}  // namespace backprop::cli
