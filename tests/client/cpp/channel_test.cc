// SPDX-License-Identifier: Apache-2.0
//
// What a real channel does; all else of the client is tested on a mock.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "client/cpp/connection.h"
#include "client/cpp/resuming_train_stream.h"
#include "client/cpp/training_client.h"
#include "tests/client/cpp/http2_peer.h"
#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Pair;

// Notes the metadata of every call, by method. A session is found; every other
// call ends as the client leaves it.
class NotingService : public grpc::CallbackGenericService {
 public:
  using Noted = std::multimap<std::string, std::string>;

  std::map<std::string, Noted> noted() const {
    std::lock_guard lock(mutex_);
    return noted_;
  }

 private:
  class Reactor : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(bool finds_session) {
      if (!finds_session) {
        Finish({grpc::StatusCode::UNIMPLEMENTED, "only notes"});
        return;
      }
      v1::GetSessionResponse found;
      *found.mutable_session() = testing::SessionMessage(2, {1});
      const grpc::Slice slice(found.SerializeAsString());
      response_ = grpc::ByteBuffer(&slice, 1);
      StartWriteAndFinish(&response_, {}, grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer response_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    std::lock_guard lock(mutex_);
    Noted& noted = noted_[context->method()];
    for (const auto& [key, value] : context->client_metadata())
      noted.emplace(std::string(key.data(), key.size()),
                    std::string(value.data(), value.size()));
    return new Reactor(context->method().ends_with("/GetSession"));
  }

  mutable std::mutex mutex_;
  std::map<std::string, Noted> noted_;
};

// Each call that the client has, once.
void CallEverything(TrainingClient& client) {
  client.CreateSession({}).status().IgnoreError();
  client.GetSession("s").status().IgnoreError();
  client.ListSessions({}).status().IgnoreError();
  client.DeleteSession("s").IgnoreError();
  client.UpdateSession({}).status().IgnoreError();
  client.CreateCheckpoint({}).status().IgnoreError();
  client.ListCheckpoints({}).status().IgnoreError();
  client.UpdateCheckpoint({}).status().IgnoreError();
  client.DeleteCheckpoint("s", "c").IgnoreError();
  client.RewindSession("s", "c").status().IgnoreError();
  client.TrainStep({}).status().IgnoreError();
  client.Predict({}).status().IgnoreError();
  client.Evaluate("s", [](auto*) { return false; }).status().IgnoreError();
  client.DownloadWeights("s").status().IgnoreError();
  client.OpenTrain("s").status().IgnoreError();
  auto watch = client.Watch("s", {});
  v1::WatchDeltasResponse response;
  while (watch->Next(&response)) continue;
  watch->Finish().IgnoreError();
  client.GetServerInfo().status().IgnoreError();
}

TEST(ChannelTest, EveryCallCarriesTheMetadata) {
  NotingService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  ClientOptions options;
  options.metadata = {
      {"Authorization", "Bearer abc="}, {"x-a", "1"}, {"x-a", "2"}};
  TrainingClient client("127.0.0.1:" + std::to_string(port), options);
  CallEverything(client);
  const std::map<std::string, NotingService::Noted> noted = service.noted();
  const auto* descriptor =
      v1::CreateSessionRequest::descriptor()->file()->FindServiceByName(
          "TrainingService");
  ASSERT_NE(descriptor, nullptr);
  for (int i = 0; i < descriptor->method_count(); ++i) {
    const std::string name = "/backprop.v1.TrainingService/" +
                             std::string(descriptor->method(i)->name());
    ASSERT_TRUE(noted.contains(name)) << name << " was not called";
    EXPECT_THAT(noted.at(name),
                IsSupersetOf({Pair("authorization", "Bearer abc="),
                              Pair("x-a", "1"), Pair("x-a", "2")}))
        << name;
  }
}

TEST(ChannelTest, OptionsThatCannotBeAreTheErrorOfEachCallAndEndNoProcess) {
  ClientOptions bad_file;
  bad_file.tls = TlsOptions{.ca_file = "/nowhere"};
  ClientOptions bad_metadata;
  bad_metadata.metadata = {{"two words", "x"}};
  for (const ClientOptions& options : {bad_file, bad_metadata}) {
    TrainingClient client("127.0.0.1:1", options);
    const absl::Status wrong = CheckOptions(options);
    EXPECT_FALSE(wrong.ok());
    EXPECT_EQ(client.GetSession("x").status(), wrong);
    EXPECT_EQ(client.DownloadWeights("x").status(), wrong);
    EXPECT_EQ(client.OpenTrain("x").status(), wrong);
    auto watch = client.Watch("x", {.after_step = 0});
    v1::WatchDeltasResponse response;
    EXPECT_FALSE(watch->Next(&response));
    EXPECT_EQ(watch->Finish(), wrong);
  }
}

TEST(ChannelTest, NobodyAtTheAddressIsUnavailableAtOnce) {
  TrainingClient client("127.0.0.1:1");
  EXPECT_EQ(client.GetSession("x").status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(ChannelTest, AnOpeningThatIsNeverAnsweredIsNotWaitedForForEver) {
  const testing::Http2Peer peer;
  ClientOptions options;
  options.call_deadline = std::chrono::milliseconds(300);
  TrainingClient client(grpc::CreateCustomChannel(
                            peer.address(), grpc::InsecureChannelCredentials(),
                            DefaultChannelArguments()),
                        options);
  const absl::Status status =
      ResumingTrainStream::Open(client, testing::SessionMessage(2, {1}), {})
          .status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("within 0.3 s"));
}

// gRPC's own default stops after two pings while a client has nothing to say,
// as a watcher never has: then a peer that vanishes is never noticed.
TEST(ChannelTest, ASilentStreamIsAskedAgainAndAgainWhetherItsPeerLives) {
  const testing::Http2Peer peer;
  TrainingClient client(grpc::CreateCustomChannel(
      peer.address(), grpc::InsecureChannelCredentials(),
      DefaultChannelArguments(std::chrono::milliseconds(100))));
  auto watch = client.Watch("s", {});
  std::thread reader([&] {
    v1::WatchDeltasResponse response;
    while (watch->Next(&response)) continue;
  });
  const auto patience =
      std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (peer.pings() < 6 && std::chrono::steady_clock::now() < patience)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  watch->Cancel();
  reader.join();
  EXPECT_GE(peer.pings(), 6);
}

}  // namespace
}  // namespace backprop
