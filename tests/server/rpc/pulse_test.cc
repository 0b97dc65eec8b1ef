// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/pulse.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace backprop {
namespace {

using std::chrono::milliseconds;

// Answers every call with an empty message when told to.
class SlowService final : public grpc::CallbackGenericService {
 public:
  void Answer() {
    std::lock_guard lock(mutex_);
    for (Call* call : waiting_) call->Answer();
    waiting_.clear();
  }

  // Those that still come are answered at once.
  void AnswerFromNowOn() {
    {
      std::lock_guard lock(mutex_);
      waits_ = false;
    }
    Answer();
  }

  size_t calls() const { return calls_; }

 private:
  class Call final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Call(SlowService* service) : service_(service) {
      StartRead(&request_);
    }
    void Answer() {
      StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
    }
    void OnReadDone(bool) noexcept override { service_->Wait(this); }
    void OnDone() noexcept override { delete this; }

   private:
    SlowService* const service_;
    grpc::ByteBuffer request_;
    const grpc::Slice nothing_;
    grpc::ByteBuffer response_{&nothing_, 1};
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    EXPECT_EQ(context->method(), "/grpc.health.v1.Health/Check");
    return new Call(this);
  }

  void Wait(Call* call) {
    ++calls_;
    std::lock_guard lock(mutex_);
    if (!waits_) return call->Answer();
    waiting_.push_back(call);
  }

  std::atomic<size_t> calls_ = 0;
  std::mutex mutex_;
  bool waits_ = true;           // guarded by mutex_
  std::vector<Call*> waiting_;  // guarded by mutex_
};

// What a pulse told.
struct Late {
  double seconds;
  bool answered;
};

class PulseTest : public ::testing::Test {
 protected:
  PulseTest() {
    grpc::EnableDefaultHealthCheckService(false);
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel(grpc::ChannelArguments());
  }

  // The server waits for all of its calls.
  ~PulseTest() override {
    service_.AnswerFromNowOn();
    server_->Shutdown();
  }

  std::unique_ptr<Pulse> Start(PulseOptions options) {
    return std::make_unique<Pulse>(
        channel_, options,
        [this](std::chrono::duration<double> waited, bool answered) {
          std::lock_guard lock(mutex_);
          late_.push_back({waited.count(), answered});
          changed_.notify_all();
        });
  }

  // Waits until it was told so often.
  std::vector<Late> AwaitLate(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20),
                      [&] { return late_.size() >= count; });
    return late_;
  }

  SlowService service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Late> late_;  // guarded by mutex_
};

TEST_F(PulseTest, AnAnswerThatIsLateIsToldOnceAndAgainWhenItComes) {
  const auto pulse =
      Start({milliseconds(10), milliseconds(50), milliseconds(50)});
  std::vector<Late> late = AwaitLate(1);
  ASSERT_EQ(late.size(), 1u);
  EXPECT_FALSE(late[0].answered);
  EXPECT_GE(late[0].seconds, 0.05);
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(AwaitLate(1).size(), 1u) << "told twice";
  EXPECT_EQ(service_.calls(), 1u) << "one check at a time";
  service_.Answer();
  late = AwaitLate(2);
  ASSERT_GE(late.size(), 2u);
  EXPECT_TRUE(late[1].answered);
  EXPECT_GE(late[1].seconds, 0.25);
}

TEST_F(PulseTest, AnswersInTimeAreNotTold) {
  auto pulse =
      Start({milliseconds(1), std::chrono::seconds(20), milliseconds(50)});
  for (int i = 0; i < 2000 && service_.calls() < 20; ++i) {
    service_.Answer();
    std::this_thread::sleep_for(milliseconds(5));
  }
  pulse.reset();
  EXPECT_GE(service_.calls(), 20u);
  EXPECT_TRUE(AwaitLate(0).empty());
}

TEST_F(PulseTest, StopsWhileAnAnswerIsMissing) {
  auto pulse = Start({milliseconds(10), milliseconds(50), milliseconds(50)});
  AwaitLate(1);
  const auto begin = std::chrono::steady_clock::now();
  pulse.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace backprop
