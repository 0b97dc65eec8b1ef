// SPDX-License-Identifier: Apache-2.0
//
// What holds for every method of the service, read from its descriptor, so that
// a new one can't be forgotten.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "absl/strings/str_cat.h"
#include "tests/server/service_fixture.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kService[] = "backprop.v1.TrainingService";

// A field's bytes in a message.
std::string Encoded(const FieldDescriptor& field, const std::string& content) {
  constexpr uint32_t kLengthDelimited = 2;
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.WriteVarint32(static_cast<uint32_t>(field.number()) << 3 |
                    kLengthDelimited);
  out.WriteVarint32(static_cast<uint32_t>(content.size()));
  out.WriteString(content);
  out.Trim();
  return bytes;
}

struct BadString {
  std::string path;   // of the field, e.g. "fork.session_id"
  std::string bytes;  // of a message that holds nothing else
};

// A message for each string in it, at any depth, that is not UTF-8.
std::vector<BadString> BadStrings(const Descriptor& type) {
  std::vector<BadString> found;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.type() == FieldDescriptor::TYPE_STRING) {
      found.push_back({field.name(), Encoded(field, "s-\xff")});
    } else if (field.type() == FieldDescriptor::TYPE_MESSAGE) {
      for (const BadString& inner : BadStrings(*field.message_type())) {
        found.push_back({absl::StrCat(field.name(), ".", inner.path),
                         Encoded(field, inner.bytes)});
      }
    }
  }
  return found;
}

class EveryMethodTest : public TransportTest {
 protected:
  static std::vector<const MethodDescriptor*> Descriptors() {
    const auto* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
            kService);
    std::vector<const MethodDescriptor*> methods;
    for (int i = 0; i < service->method_count(); ++i) {
      methods.push_back(service->method(i));
    }
    return methods;
  }

  // All of them: what a method needs to be excepted from stands in the test.
  static std::vector<std::string> Methods() {
    std::vector<std::string> names;
    for (const MethodDescriptor* method : Descriptors()) {
      names.push_back(method->name());
    }
    return names;
  }

  // Whether an empty request is a good one.
  static bool NeedsNothing(const std::string& method) {
    return method == "ListSessions" || method == "GetServerInfo";
  }

  static void ExpectRefused(const grpc::Status& status,
                            const std::string& what) {
    EXPECT_THAT(status, IsInvalid(Not(IsEmpty()))) << what;
    EXPECT_NE(status.error_message(), "") << what;
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
  ASSERT_FALSE(Methods().empty());
  for (const std::string& method : Methods()) {
    EXPECT_EQ(Metric("grpc_server_started_total{grpc_method=\"" + method +
                     "\",grpc_service=\"" + kService + "\""),
              0);
  }
}

TEST_P(EveryMethodTest, RefusesAnEmptyRequestAndCountsIt) {
  for (const std::string& method : Methods()) {
    const grpc::Status status = CallMethod(method, "");
    if (NeedsNothing(method)) {
      EXPECT_TRUE(status.ok()) << method << ": " << status.error_message();
    } else {
      ExpectRefused(status, method);
    }
    EXPECT_EQ(
        Metric("grpc_server_handled_total{grpc_code=\"" +
               std::string(NeedsNothing(method) ? "OK" : "InvalidArgument") +
               "\",grpc_method=\"" + method + "\""),
        1)
        << method;
  }
  EXPECT_EQ(Metric("backprop_queued_bytes "), 0);
}

// Short ones are parsed where they arrive, long ones in a turn or not at all.
TEST_P(EveryMethodTest, RefusesBytesThatAreNoMessage) {
  for (const std::string& method : Methods()) {
    for (const size_t length : {3u, 100'000u}) {
      ExpectRefused(CallMethod(method, std::string(length, '\xff')), method);
    }
  }
  EXPECT_TRUE(TryCreate(Spec(2, {1})).ok());
  EXPECT_EQ(Metric("backprop_queued_bytes "), 0);
}

TEST_P(EveryMethodTest, RefusesEveryStringThatIsNotUtf8) {
  for (const MethodDescriptor* method : Descriptors()) {
    const std::vector<BadString> bad = BadStrings(*method->input_type());
    EXPECT_EQ(bad.empty(), method->input_type()->field_count() == 0)
        << method->name();
    for (const BadString& request : bad) {
      ExpectRefused(CallMethod(method->name(), request.bytes),
                    method->name() + " with " + request.path);
    }
  }
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
    EXPECT_THAT(CallMethod(method, ""),
                Fails(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN"))
        << method;
  }
  const auto begin = std::chrono::steady_clock::now();
  drain.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
  writer.join();
  EXPECT_FALSE(stuck.Finish().ok()) << "was cut off";
}

}  // namespace
}  // namespace backprop::testing
