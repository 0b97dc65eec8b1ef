// SPDX-License-Identifier: Apache-2.0
//
// backpropd as a process: what SIGTERM does to it under load.
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/train_call.h"
#include "tests/server_process.h"

namespace backprop::testing {
namespace {

using std::chrono::seconds;

// The exit status of a shell command; *said: what it wrote to both outputs.
int RunCommand(const std::string& command, std::string* said) {
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return -1;
  char buffer[512];
  while (fgets(buffer, sizeof buffer, pipe) != nullptr) *said += buffer;
  return pclose(pipe);
}

class BackpropdProcessTest : public ::testing::Test {
 protected:
  void Start(const std::string& drain_seconds) {
    process_ = ServerProcess::Start(
        BACKPROPD, {"--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0",
                    "--drain-seconds=" + drain_seconds});
    ASSERT_NE(process_, nullptr);
    stub_ = v1::TrainingService::NewStub(grpc::CreateChannel(
        process_->grpc_address(), grpc::InsecureChannelCredentials()));
  }

  v1::Session Create() {
    grpc::ClientContext context;
    v1::CreateSessionRequest request;
    *request.mutable_spec() = Spec(64, {32, 10});
    v1::CreateSessionResponse response;
    const grpc::Status status =
        stub_->CreateSession(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.session();
  }

  // Trains, some messages ahead, until the server says goodbye. Every answer
  // must follow the one before, the goodbye too.
  void TrainUntilGoodbye(uint32_t seed, std::atomic<int>* training,
                         std::atomic<int>* goodbyes) {
    const v1::Session session = Create();
    std::mt19937 random(seed);
    const v1::TrainRequest message = RandomSamples(session, 20, random);
    TrainCall call(*stub_, session.session_id());
    uint64_t offset = 0;
    for (int ahead = 0; ahead < 4; ++ahead) call.Write(message);
    while (const auto answer = call.Read()) {
      EXPECT_EQ(answer->base_step(), offset);
      if (answer->goodbye()) {
        EXPECT_EQ(answer->next_offset(), offset);
        ++*goodbyes;
        break;
      }
      if (offset == 0) ++*training;
      offset = answer->next_offset();
      call.Write(message);
    }
    const grpc::Status status = call.Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  int StatusOf(const std::string& path) {
    const auto answer =
        httplib::Client("http://" + process_->http_address()).Get(path.c_str());
    return answer ? answer->status : -1;
  }

  void ExpectExitZeroWithin(std::chrono::milliseconds limit) {
    const auto status = process_->WaitForExit(limit);
    ASSERT_TRUE(status.has_value()) << "still running\n" << process_->Log();
    EXPECT_TRUE(WIFEXITED(*status)) << process_->Log();
    EXPECT_EQ(WEXITSTATUS(*status), 0) << process_->Log();
  }

  std::unique_ptr<ServerProcess> process_;
  std::unique_ptr<v1::TrainingService::Stub> stub_;
};

TEST_F(BackpropdProcessTest, TerminationUnderLoadLosesNoAnswer) {
  constexpr int kStreams = 20;
  Start("0");
  ASSERT_FALSE(HasFatalFailure());
  std::atomic<int> training = 0;
  std::atomic<int> goodbyes = 0;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kStreams; ++i) {
    threads.emplace_back(
        [&, i] { TrainUntilGoodbye(i, &training, &goodbyes); });
  }
  for (int i = 0; i < 3000 && training < kStreams; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  process_->Signal(SIGTERM);
  ExpectExitZeroWithin(seconds(15));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(training, kStreams);
  EXPECT_EQ(goodbyes, kStreams);
}

TEST_F(BackpropdProcessTest, ADrainingServerIsNotReadyButGoesOn) {
  Start("2");
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(StatusOf("/readyz"), 200);
  const v1::Session session = Create();
  std::mt19937 random(1);
  const v1::TrainRequest message = RandomSamples(session, 2, random);
  TrainCall call(*stub_, session.session_id());
  process_->Signal(SIGTERM);
  int ready = 200;
  for (int i = 0; i < 100 && ready == 200; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ready = StatusOf("/readyz");
  }
  EXPECT_EQ(ready, 503);
  EXPECT_EQ(StatusOf("/healthz"), 200);
  EXPECT_EQ(call.Exchange(message).next_offset(), 2u);
  const auto goodbye = call.Read();
  ASSERT_TRUE(goodbye.has_value());
  EXPECT_TRUE(goodbye->goodbye());
  EXPECT_EQ(goodbye->next_offset(), 2u);
  EXPECT_TRUE(call.Finish().ok());
  ExpectExitZeroWithin(seconds(10));
}

TEST_F(BackpropdProcessTest, PromtoolFindsNothingToSayAboutALivePage) {
  Start("0");
  ASSERT_FALSE(HasFatalFailure());
  const v1::Session session = Create();
  std::mt19937 random(1);
  TrainCall call(*stub_, session.session_id());
  EXPECT_EQ(call.Exchange(RandomSamples(session, 20, random)).step(), 20u);
  EXPECT_TRUE(call.Finish().ok());
  const auto page =
      httplib::Client("http://" + process_->http_address()).Get("/metrics");
  ASSERT_TRUE(page);
  EXPECT_NE(page->body.find("\nbackprop_steps_total 20\n"), std::string::npos);
  const std::string path =
      ::testing::TempDir() + "page" + std::to_string(process_->pid());
  std::ofstream(path) << page->body;
  std::string said;
  EXPECT_EQ(RunCommand(PROMTOOL " check metrics < " + path, &said), 0);
  EXPECT_EQ(said, "");
  std::remove(path.c_str());
}

TEST_F(BackpropdProcessTest, ASecondServerOnTheSamePortNamesTheFlag) {
  Start("0");
  ASSERT_FALSE(HasFatalFailure());
  const std::string command = std::string(BACKPROPD) +
                              " --grpc-address=" + process_->grpc_address() +
                              " --http-address=127.0.0.1:0";
  std::string said;
  EXPECT_NE(RunCommand(command, &said), 0);
  EXPECT_NE(said.find("--grpc-address"), std::string::npos) << said;
}

TEST_F(BackpropdProcessTest, AMisspeltVariableIsWarnedOf) {
  setenv("BACKPROPD_MAX_SESION", "3", 1);
  Start("0");
  unsetenv("BACKPROPD_MAX_SESION");
  ASSERT_FALSE(HasFatalFailure());
  const std::string log = process_->Log();
  for (const char* expected :
       {"\"level\":\"warning\"", "\"BACKPROPD_MAX_SESION\"",
        "\"BACKPROPD_MAX_SESSIONS\""}) {
    EXPECT_NE(log.find(expected), std::string::npos) << expected << "\n" << log;
  }
}

}  // namespace
}  // namespace backprop::testing
