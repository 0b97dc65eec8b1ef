// SPDX-License-Identifier: Apache-2.0
#include "server/calls/idle_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "server/sessions/worker.h"
#include "tests/server/allocation_limit.h"
#include "tests/server/sessions/trained_session.h"

namespace backprop {
namespace {

using ::testing::HasSubstr;
using testing::IdleWriter;

class IdleSessionsTest : public ::testing::Test {
 protected:
  IdleSessionsTest() {
    context_.complete = true;
    const SessionSpec spec = testing::SmallSpec();
    session_ =
        table_
            .Create(
                {spec, testing::LayoutOf(spec)},
                [this](Session& session) {
                  session.held_answers().Add(
                      0,
                      {.next_offset = 1,
                       .bytes = std::make_shared<const std::string>("answer")},
                      {1000, &context_.held_bytes});
                })
            .value()
            .session;
  }

  // What it holds when it has been tidied so long from now.
  size_t HeldIn(std::chrono::seconds time) {
    TidySessions(context_, std::chrono::system_clock::now() + time);
    std::promise<void> turned;
    pool_.Submit(session_->lane(), [&](Worker&) { turned.set_value(); });
    turned.get_future().wait();
    return session_->held_bytes();
  }

  // Its writer sends a message.
  void AskNow() {
    session_->held_answers().Use(0, std::chrono::system_clock::now());
  }

  const ServerOptions options_;
  Metrics metrics_;
  SessionTable table_{{.sessions = 10, .total_weights = 100'000},
                      testing::NoFeed};
  ComputePool pool_{1, [](double) {}};
  ServiceContext context_{options_, metrics_, table_, pool_,
                          [](ServiceContext&) {}};
  std::shared_ptr<Session> session_;
};

TEST_F(IdleSessionsTest, AnswersAreHeldForAMinuteFromTheLastMessage) {
  ASSERT_TRUE(session_->AttachWriter(std::make_shared<IdleWriter>()).ok());
  AskNow();
  EXPECT_GT(HeldIn(std::chrono::seconds(55)), 0u);
  EXPECT_EQ(HeldIn(std::chrono::seconds(61)), 0u) << "the writer is there";
}

TEST_F(IdleSessionsTest, AnswersAreHeldForAMinuteFromWhenTheirWriterLeft) {
  const auto writer = std::make_shared<IdleWriter>();
  ASSERT_TRUE(session_->AttachWriter(writer).ok());
  session_->DetachWriter(*writer);
  EXPECT_GT(HeldIn(std::chrono::seconds(55)), 0u);
  EXPECT_EQ(HeldIn(std::chrono::seconds(60)), 0u);
}

TEST_F(IdleSessionsTest, AnswersOfOneThatWasReplacedStayWithItsSession) {
  const auto first = std::make_shared<IdleWriter>();
  ASSERT_TRUE(session_->AttachWriter(first).ok());
  const auto second = std::make_shared<IdleWriter>();
  ASSERT_TRUE(session_->TakeOver(second).ok());
  AskNow();
  session_->DetachWriter(*first);
  EXPECT_GT(HeldIn(std::chrono::seconds(55)), 0u);
}

TEST_F(IdleSessionsTest, WithoutMemoryNothingIsTidiedUntilThereIsSome) {
  const auto later = std::chrono::system_clock::now() + std::chrono::hours(1);
  {
    // For other threads than this one, as the one that tidies is.
    const testing::AllocationLimit limit(0);
    std::thread([&] { TidySessions(context_, later); }).join();
  }
  EXPECT_GT(session_->held_bytes(), 0u);
  EXPECT_EQ(HeldIn(std::chrono::hours(1)), 0u);
}

TEST_F(IdleSessionsTest, WhatIsHeldIsTold) {
  AskNow();
  const size_t held = HeldIn(std::chrono::seconds(1));
  EXPECT_GT(held, 0u);
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("\nbackprop_held_answer_bytes " +
                                              std::to_string(held) + "\n"));
  HeldIn(std::chrono::minutes(2));
  HeldIn(std::chrono::minutes(2));
  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("\nbackprop_held_answer_bytes 0\n"));
}

}  // namespace
}  // namespace backprop
