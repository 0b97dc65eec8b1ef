// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/bench_run.h"

#include <gmock/gmock.h>
#include <grpcpp/test/mock_stream.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/mutex.h"
#include "client/cpp/training_stub.h"
#include "engine/contract/digest.h"
#include "tests/client/cpp/session_message.h"
#include "tests/client/mock_stub.h"

namespace backprop::cli {
namespace {

using ::testing::_;
using ::testing::DoAll;
using ::testing::HasSubstr;
using ::testing::Invoke;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::SetArgPointee;
using Call = NiceMock<
    grpc::testing::MockClientReaderWriter<v1::TrainRequest, v1::TrainResponse>>;
using Chunks =
    NiceMock<grpc::testing::MockClientReader<v1::GetWeightsResponse>>;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr size_t kSamples = 4;  // a message

// Answers messages in their order, each at once: one weight and one bias, which
// a step leaves as they are.
class Server {
 public:
  explicit Server(std::function<void(v1::TrainResponse*)> spoil)
      : spoil_(std::move(spoil)) {}

  void Hear(const v1::TrainRequest& request) {
    client::MutexLock lock(mutex_);
    if (request.session_id().empty()) {
      EXPECT_EQ(request.inputs().size(), kSamples * sizeof(float));
    } else {
      deltas_ = request.options().deltas();
    }
    ++heard_;
    changed_.NotifyAll();
  }

  void HearEnd() {
    client::MutexLock lock(mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }

  bool Say(v1::TrainResponse* response) {
    client::MutexLock lock(mutex_);
    while (said_ == heard_ && !closed_) changed_.Wait(mutex_);
    if (said_ == heard_ || ended_) return false;
    response->Clear();
    response->set_message_number(said_);
    response->set_message_done(true);
    if (said_ > 0) AddSteps(said_, response);
    if (spoil_) spoil_(response);
    ended_ = response->has_rejection();
    ++said_;
    return true;
  }

  uint64_t heard() {
    client::MutexLock lock(mutex_);
    return heard_;
  }

 private:
  void AddSteps(uint64_t number, v1::TrainResponse* response) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    response->set_base_step((number - 1) * kSamples);
    response->set_step(number * kSamples);
    for (size_t i = 0; i < kSamples; ++i) response->add_errors(0.5F);
    if (deltas_ != v1::DELTA_DETAIL_NONE) {
      response->set_deltas(testing::Bytes(std::vector<float>(2 * kSamples)));
    }
  }

  const std::function<void(v1::TrainResponse*)> spoil_;
  client::Mutex mutex_;
  client::CondVar changed_;
  uint64_t heard_ ABSL_GUARDED_BY(mutex_) = 0;  // the opening included
  uint64_t said_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  v1::DeltaDetail deltas_ ABSL_GUARDED_BY(mutex_) =
      v1::DELTA_DETAIL_UNSPECIFIED;
};

class BenchRunTest : public ::testing::Test {
 protected:
  // Measures for a moment, to its end. spoil: what is to be wrong with answers.
  BenchProgress Measure(
      const BenchWay& way,
      const std::function<void(v1::TrainResponse*)>& spoil = nullptr) {
    Server server(spoil);
    Serve(server);
    TrainingClient client(TrainingStub{stub_});
    auto run = BenchRun::Open(
        client, session_, way,
        RandomSamples(session_.spec(), way.samples_per_message, 1),
        std::chrono::milliseconds(50));
    EXPECT_TRUE(run.ok()) << run.status();
    if (!run.ok()) return {};
    BenchProgress end = (*run)->Wait(kPatience);
    EXPECT_TRUE(end.ended);
    figures_ = (*run)->figures();
    messages_ = server.heard() - 1;
    return end;
  }

  void Serve(Server& server) {
    v1::GetSessionResponse found;
    *found.mutable_session() = session_;
    ON_CALL(*stub_, GetSession(_, _, _))
        .WillByDefault(DoAll(SetArgPointee<2>(found), Return(grpc::Status())));
    ON_CALL(*stub_, TrainRaw(_)).WillByDefault(Invoke([&server](auto*) {
      auto* call = new Call();  // the client takes it
      ON_CALL(*call, Write(_, _))
          .WillByDefault(Invoke([&server](const auto& request, auto) {
            server.Hear(request);
            return true;
          }));
      ON_CALL(*call, WritesDone()).WillByDefault(Invoke([&server] {
        server.HearEnd();
        return true;
      }));
      ON_CALL(*call, Read(_)).WillByDefault(Invoke([&server](auto* response) {
        return server.Say(response);
      }));
      return call;
    }));
    ON_CALL(*stub_, GetWeightsRaw(_, _)).WillByDefault(Invoke([](auto*, auto&) {
      v1::GetWeightsResponse chunk;
      chunk.set_weight_count(2);
      chunk.set_weights(testing::Bytes({1, 3}));
      chunk.set_digest(Digest(std::vector<float>{1, 3}));
      auto* chunks = new Chunks();  // the client takes it
      EXPECT_CALL(*chunks, Read(_))
          .WillOnce(DoAll(SetArgPointee<0>(chunk), Return(true)))
          .WillRepeatedly(Return(false));
      return chunks;
    }));
  }

  const v1::Session session_ = testing::SessionMessage(1, {1});
  std::shared_ptr<backprop::testing::MockStub> stub_ =
      backprop::testing::NewMockStub();
  BenchFigures figures_;
  uint64_t messages_ = 0;  // that were sent
};

TEST_F(BenchRunTest, EveryWayIsMeasuredAndEverythingSentIsCounted) {
  for (const bool ahead : {false, true}) {
    for (const bool deltas : {false, true}) {
      const BenchProgress end = Measure(
          {.samples_per_message = kSamples, .ahead = ahead, .deltas = deltas});
      EXPECT_TRUE(end.status.ok()) << end.status;
      EXPECT_EQ(figures_.all.samples, messages_ * kSamples);
      EXPECT_LT(figures_.measured.samples, figures_.all.samples);
      EXPECT_GT(figures_.measured.samples, 0U);
      EXPECT_EQ(figures_.latencies.size(),
                ahead ? 0 : figures_.measured.samples / kSamples);
    }
  }
}

TEST_F(BenchRunTest, AReplicaThatDiffersEndsIt) {
  for (const bool ahead : {false, true}) {
    const BenchProgress end =
        Measure({.samples_per_message = kSamples, .ahead = ahead},
                [](v1::TrainResponse* response) {
                  if (response->message_number() != 2) return;
                  v1::StepDigest* digest = response->add_digests();
                  digest->set_step(response->step());
                  digest->set_digest(Digest(std::vector<float>{1, 4}));
                });
    EXPECT_EQ(end.status.code(), absl::StatusCode::kDataLoss) << end.status;
    EXPECT_THAT(std::string(end.status.message()), HasSubstr("replica: "));
  }
}

TEST_F(BenchRunTest, ARejectionEndsIt) {
  for (const bool ahead : {false, true}) {
    const BenchProgress end = Measure(
        {.samples_per_message = kSamples, .ahead = ahead, .deltas = false},
        [](v1::TrainResponse* response) {
          if (response->message_number() != 2) return;
          response->mutable_rejection()->set_code(
              grpc::StatusCode::FAILED_PRECONDITION);
          response->mutable_rejection()->set_message("not finite");
        });
    EXPECT_EQ(end.status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(end.status.message(), "not finite");
  }
}

}  // namespace
}  // namespace backprop::cli
