// SPDX-License-Identifier: Apache-2.0
//
// The skeleton of a stream and the flow of Train's together, with threads of
// the test in the place of gRPC and of the pool: what ThreadSanitizer can
// watch.
#include "server/rpc/stream_shell.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "server/calls/train_flow.h"

namespace backprop {
namespace {

constexpr int kMessages = 20;
constexpr size_t kLength = 100;

// Runs what it is given, in no order, on four threads.
class Threads {
 public:
  Threads() {
    for (unsigned seed = 0; seed < 4; ++seed) {
      threads_.emplace_back([this, seed] { Run(seed); });
    }
  }
  ~Threads() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.NotifyAll();
    for (std::thread& thread : threads_) thread.join();
  }

  void Post(std::function<void()> work) {
    {
      MutexLock lock(mutex_);
      work_.push_back(std::move(work));
    }
    changed_.NotifyOne();
  }

 private:
  void Run(unsigned seed) {
    std::mt19937 random(seed);
    while (true) {
      std::function<void()> work;
      {
        MutexLock lock(mutex_);
        while (work_.empty() && !stopping_) changed_.Wait(mutex_);
        if (work_.empty()) return;
        const size_t at = random() % work_.size();
        work = std::move(work_[at]);
        work_.erase(work_.begin() + static_cast<std::ptrdiff_t>(at));
      }
      if (random() % 4 == 0) std::this_thread::yield();
      work();
    }
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> work_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// What a client got.
struct Client {
  std::atomic<bool> gone = false;
  std::vector<int> answers;  // in order
  bool goodbye = false;
  std::atomic<bool> done = false;
  absl::Status end;
};

// In gRPC's place: a reaction for each operation, on any thread; OnDone when
// the stream has ended and no operation is under way.
class FakeReactor {
 public:
  virtual ~FakeReactor() = default;
  virtual void OnReadDone(bool ok) = 0;
  virtual void OnWriteDone(bool ok) = 0;
  virtual void OnCancel() = 0;
  virtual void OnDone() = 0;

  void Run(Threads* threads, Client* client) {
    threads_ = threads;
    client_ = client;
  }

 protected:
  void StartRead() {
    EXPECT_FALSE(finished_) << "started after the end";
    EXPECT_FALSE(reading_.exchange(true)) << "two reads";
    ++under_way_;
    threads_->Post([this] {
      reading_ = false;
      const bool ok = !client_->gone && !finished_ && ++sent_ <= kMessages + 1;
      OnReadDone(ok);
      Over();
    });
  }

  void StartWrite(int answer, bool goodbye) {
    EXPECT_FALSE(finished_) << "started after the end";
    EXPECT_FALSE(writing_.exchange(true)) << "two writes";
    ++under_way_;
    threads_->Post([this, answer, goodbye] {
      const bool ok = !client_->gone;
      if (ok && goodbye) client_->goodbye = true;
      if (ok && !goodbye) client_->answers.push_back(answer);
      writing_ = false;
      OnWriteDone(ok);
      Over();
    });
  }

  void Finish(const absl::Status& status) {
    EXPECT_FALSE(finished_.exchange(true)) << "two ends";
    client_->end = status;
    Over();
  }

  bool gone() const { return client_->gone; }
  Threads& threads() { return *threads_; }

 private:
  void Over() {
    if (--under_way_ > 0) return;
    Client* const client = client_;
    OnDone();  // *this may be gone
    client->done = true;
  }

  Threads* threads_ = nullptr;
  Client* client_ = nullptr;
  std::atomic<int> under_way_ = 1;  // the stream itself
  std::atomic<bool> reading_ = false;
  std::atomic<bool> writing_ = false;
  std::atomic<bool> finished_ = false;
  int sent_ = 0;  // owned by the read under way
};

// What Train's does, with numbers for messages.
class FakeStream final : public StreamShell<FakeReactor, TrainFlow::Start> {
 public:
  explicit FakeStream(OpenStreams& streams) : StreamShell(streams) {}

  void Begin() {
    Open();
    Update([] {});
  }

  void OnReadDone(bool ok) override {
    Update([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (!ok) {
        flow_.ReadsEnded();
        if (gone()) flow_.Cancel();
        return;
      }
      const auto arrival = flow_.MessageRead(kLength);
      if (arrival == TrainFlow::Arrival::kOpening) flow_.Opened();
      if (arrival == TrainFlow::Arrival::kSamples) inbox_.push_back(++read_);
    });
  }

  void OnWriteDone(bool ok) override {
    Update([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      flow_.WriteDone(ok, kLength);
    });
  }

 private:
  void Leave() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    flow_.Leave(absl::UnavailableError("drains"));
  }
  void Cancel() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    flow_.Cancel();
  }
  void Close() override {}

  TrainFlow::Start Next(bool may_end) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (flow_.Due() == TrainFlow::Answer::kGoodbye) {
      outbox_.push_back(kGoodbye);
      flow_.GoodbyeQueued(kLength);
    }
    TrainFlow::Start start = flow_.Next(may_end);
    if (start.write) {
      outgoing_ = outbox_.front();
      outbox_.pop_front();
    }
    flow_.LetGo();
    if (start.end) session_.reset();
    return start;
  }

  void Perform(const TrainFlow::Start& start) override {
    if (start.turn) {
      threads().Post([this, self = shared_from_this()] { TakeTurn(); });
    }
    if (start.write) StartWrite(outgoing_, outgoing_ == kGoodbye);
    if (start.read) StartRead();
    if (start.end) Finish(*start.end);
  }

  void TakeTurn() {
    auto part = TrainFlow::Part::kNone;
    {
      MutexLock lock(mutex_);
      part = BeginPart();
    }
    if (part == TrainFlow::Part::kNone) return Update([] {});
    while (part != TrainFlow::Part::kNone) part = TakePart(part);
  }

  TrainFlow::Part TakePart(TrainFlow::Part part) {
    ++*session_;  // as training does: without the lock
    const bool first = part == TrainFlow::Part::kNextMessage;
    auto next = TrainFlow::Part::kNone;
    {
      MutexLock lock(mutex_);
      outbox_.push_back(message_);
      flow_.AnswerQueued(kLength);
      // Messages of an odd number have two parts.
      const bool done = !(first && message_ % 2 == 1);
      if (flow_.EndPart(done, false)) next = BeginPart();
      if (flow_.MayWait()) return next;
    }
    Update([] {});
    return next;
  }

  TrainFlow::Part BeginPart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const TrainFlow::Part part = flow_.BeginPart(kLength);
    if (part == TrainFlow::Part::kNextMessage) {
      message_ = inbox_.front();
      inbox_.pop_front();
    }
    return part;
  }

  static constexpr int kGoodbye = -1;

  std::unique_ptr<int> session_ = std::make_unique<int>(0);
  int message_ = 0;   // of the turn under way; 0: the opening
  int outgoing_ = 0;  // of the write under way
  TrainFlow flow_ ABSL_GUARDED_BY(mutex_){1000, /*far_ahead=*/1};
  std::deque<int> inbox_ ABSL_GUARDED_BY(mutex_);
  std::deque<int> outbox_ ABSL_GUARDED_BY(mutex_);
  int read_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The opening's, then one for each part.
std::vector<int> AllAnswers() {
  std::vector<int> answers = {0};
  for (int message = 1; message <= kMessages; ++message) {
    answers.insert(answers.end(), message % 2 == 1 ? 2 : 1, message);
  }
  return answers;
}

void ExpectPrefix(const std::vector<int>& answers) {
  const std::vector<int> all = AllAnswers();
  ASSERT_LE(answers.size(), all.size());
  EXPECT_TRUE(std::equal(answers.begin(), answers.end(), all.begin()));
}

class StreamShellTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeStream> Start(Client* client) {
    auto stream = std::make_shared<FakeStream>(streams_);
    stream->Run(&threads_, client);
    stream->Begin();
    return stream;
  }

  static void Await(const Client& client) {
    while (!client.done) std::this_thread::yield();
  }

  OpenStreams streams_;
  Threads threads_;
};

TEST_F(StreamShellTest, AnswersAllInOrderAndEndsWell) {
  for (int round = 0; round < 200; ++round) {
    Client client;
    const std::weak_ptr<FakeStream> stream = Start(&client);
    Await(client);
    EXPECT_EQ(client.end, absl::OkStatus());
    EXPECT_EQ(client.answers, AllAnswers());
    EXPECT_FALSE(client.goodbye);
  }
}

TEST_F(StreamShellTest, EndsOnceWheneverItsClientGoes) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    Client client;
    const auto stream = Start(&client);
    for (auto spins = random() % 100; spins > 0; --spins) {
      std::this_thread::yield();
    }
    client.gone = true;
    stream->OnCancel();
    Await(client);
    if (client.end.ok()) {
      EXPECT_EQ(client.answers, AllAnswers()) << "came too late";
    } else {
      EXPECT_EQ(client.end, absl::CancelledError("cancelled"));
      ExpectPrefix(client.answers);
    }
  }
}

TEST_F(StreamShellTest, SaysGoodbyeWheneverTheServerDrains) {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    Client client;
    Start(&client);
    for (auto spins = random() % 50; spins > 0; --spins) {
      std::this_thread::yield();
    }
    streams_.SayGoodbye();
    Await(client);
    ExpectPrefix(client.answers);
    if (client.answers.empty()) {
      EXPECT_EQ(client.end, absl::UnavailableError("drains"));
    } else {
      EXPECT_EQ(client.end, absl::OkStatus());
      EXPECT_TRUE(client.goodbye || client.answers == AllAnswers());
    }
  }
  streams_.AwaitEnd(std::chrono::system_clock::now() + std::chrono::hours(1));
}

}  // namespace
}  // namespace backprop
