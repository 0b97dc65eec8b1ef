// SPDX-License-Identifier: Apache-2.0
//
// What holds for every method of the service, read from its descriptor, so that
// a new one can't be forgotten.
#include <google/protobuf/descriptor.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "tests/server/service_fixture.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

constexpr char kService[] = "backprop.v1.TrainingService";

class EveryMethodTest : public ServiceTest {
 protected:
  static std::vector<std::string> Methods() {
    const auto* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
            kService);
    std::vector<std::string> names;
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string& name = service->method(i)->name();
      if (name == "WatchDeltas") continue;  // not served yet
      names.push_back(name);
    }
    return names;
  }

  grpc::Status CallMethod(const std::string& method,
                          const std::string& request) {
    std::string response;
    return CallBytes(absl::StrCat("/", kService, "/", method), request,
                     &response);
  }
};
BACKPROP_OVER_BOTH_TRANSPORTS(EveryMethodTest);

TEST_P(EveryMethodTest, HasCountersBeforeItsFirstCall) {
  ASSERT_EQ(Methods().size(), 10u);
  for (const std::string& method : Methods()) {
    EXPECT_EQ(Metric("grpc_server_started_total{grpc_method=\"" + method +
                     "\",grpc_service=\"" + kService + "\""),
              0);
  }
}

TEST_P(EveryMethodTest, RefusesAnEmptyRequestAndCountsIt) {
  for (const std::string& method : Methods()) {
    const grpc::Status status = CallMethod(method, "");
    const bool lists = method == "ListSessions";  // needs nothing
    EXPECT_EQ(status.error_code(),
              lists ? grpc::StatusCode::OK : grpc::StatusCode::INVALID_ARGUMENT)
        << method << ": " << status.error_message();
    if (!lists) {
      EXPECT_EQ(Reason(status), "INVALID_REQUEST") << method;
      EXPECT_FALSE(Fields(status).empty()) << method;
    }
    EXPECT_EQ(Metric("grpc_server_handled_total{grpc_code=\"" +
                     std::string(lists ? "OK" : "InvalidArgument") +
                     "\",grpc_method=\"" + method + "\""),
              1)
        << method;
  }
  EXPECT_EQ(Metric("backprop_queued_bytes "), 0);
}

// Short ones are parsed where they arrive, long ones in a turn.
TEST_P(EveryMethodTest, RefusesBytesThatAreNoMessage) {
  const std::set<std::string> raw = {"CreateSession", "UpdateSession",
                                     "Train",         "TrainStep",
                                     "Predict",       "Evaluate"};
  for (const std::string& method : Methods()) {
    for (const size_t length : {3u, 100'000u}) {
      const grpc::Status status =
          CallMethod(method, std::string(length, '\xff'));
      EXPECT_FALSE(status.ok()) << method;
      if (raw.contains(method)) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
            << method << ": " << status.error_message();
        EXPECT_EQ(Reason(status), "INVALID_REQUEST") << method;
      }
    }
  }
  EXPECT_TRUE(TryCreate(Spec(2, {1})).ok());
  EXPECT_EQ(Metric("backprop_queued_bytes "), 0);
}

// The place where callers are admitted is passed by all.
TEST_P(EveryMethodTest, IsRefusedOnceTheServerShutsDown) {
  // A client that reads no answers holds the drain up for as long as it may.
  const v1::Session session = Create(Spec(64, {32, 10}));
  std::mt19937 random(1);
  const v1::TrainRequest message = RandomSamples(session, 1000, random);
  TrainCall stuck(stub(), session.session_id());
  std::thread writer([&] {
    for (int i = 0; i < 100 && stuck.Write(message); ++i) {
    }
  });
  double sent = -1;
  EXPECT_TRUE(Eventually([&] {  // until nothing moves any more
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const double before = sent;
    sent = Metric("backprop_sent_bytes_total ");
    return sent > 0 && sent == before;
  }));
  std::thread drain([this] { server().Drain(); });
  EXPECT_TRUE(Eventually([this] { return !server().ready(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  for (const std::string& method : Methods()) {
    const grpc::Status status = CallMethod(method, "");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << method;
    EXPECT_EQ(Reason(status), "SHUTTING_DOWN") << method;
  }
  const auto begin = std::chrono::steady_clock::now();
  drain.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
  writer.join();
  EXPECT_FALSE(stuck.Finish().ok()) << "was cut off";
}

}  // namespace
}  // namespace backprop::testing
