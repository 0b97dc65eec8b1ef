// SPDX-License-Identifier: Apache-2.0
#include "server/calls/idle_sessions.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>

#include "server/sessions/worker.h"
#include "tests/server/sessions/trained_session.h"

namespace backprop {
namespace {

using testing::IdleWriter;

class IdleSessionsTest : public ::testing::Test {
 protected:
  IdleSessionsTest() {
    context_.complete = true;
    const SessionSpec spec = testing::SmallSpec();
    session_ =
        table_
            .Create({spec, testing::LayoutOf(spec)},
                    [](Session& session) {
                      session.held_answers().Add(
                          0, {.next_offset = 1, .bytes = "answer"}, 1000);
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

  const ServerOptions options_;
  Metrics metrics_;
  SessionTable table_{{.sessions = 10, .total_weights = 100'000},
                      testing::NoFeed};
  ComputePool pool_{1, [](double) {}};
  ServiceContext context_{options_, metrics_, table_, pool_,
                          [](ServiceContext&) {}};
  std::shared_ptr<Session> session_;
};

TEST_F(IdleSessionsTest, AnswersAreHeldForAMinuteFromWhenTheirWriterLeft) {
  const auto writer = std::make_shared<IdleWriter>();
  ASSERT_TRUE(session_->AttachWriter(writer).ok());
  EXPECT_GT(HeldIn(std::chrono::hours(1)), 0u) << "it may ask at any time";
  session_->DetachWriter(*writer);
  EXPECT_GT(HeldIn(std::chrono::seconds(55)), 0u);
  EXPECT_EQ(HeldIn(std::chrono::seconds(60)), 0u);
}

TEST_F(IdleSessionsTest, AnswersOfOneThatWasReplacedStayWithItsSession) {
  const auto first = std::make_shared<IdleWriter>();
  ASSERT_TRUE(session_->AttachWriter(first).ok());
  const auto second = std::make_shared<IdleWriter>();
  ASSERT_TRUE(session_->TakeOver(second).ok());
  session_->DetachWriter(*first);
  EXPECT_GT(HeldIn(std::chrono::hours(1)), 0u);
}

}  // namespace
}  // namespace backprop
