// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/reflection.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

namespace reflection = ::grpc::reflection::v1;
using reflection::ServerReflectionRequest;
using reflection::ServerReflectionResponse;

class ReflectionTest : public ::testing::Test {
 protected:
  ReflectionTest()
      : service_(MakeReflectionService(
            {"backprop.v1.TrainingService", "grpc.health.v1.Health"})) {
    // A socket: an in-process channel takes in no message that is not read, so
    // that a client can't write ahead.
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = reflection::ServerReflection::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                            grpc::InsecureChannelCredentials()));
  }

  // Asks in a stream of its own.
  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    grpc::ClientContext context;
    const auto stream = stub_->ServerReflectionInfo(&context);
    ServerReflectionResponse response;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_TRUE(stream->WritesDone());
    ServerReflectionResponse surplus;
    EXPECT_FALSE(stream->Read(&surplus));
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_EQ(response.original_request().SerializeAsString(),
              request.SerializeAsString());
    return response;
  }

  const ServerReflectionRequest training_service_ =
      Parsed<ServerReflectionRequest>(
          "file_containing_symbol: 'backprop.v1.TrainingService'");
  const std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<reflection::ServerReflection::Stub> stub_;
};

TEST_F(ReflectionTest, ServicesAreThoseThatWereNamed) {
  const auto response = Ask(
      Parsed<ServerReflectionRequest>("host: 'somewhere' list_services: '*'"));
  EXPECT_EQ(response.valid_host(), "somewhere");
  ASSERT_EQ(response.list_services_response().service_size(), 2);
  EXPECT_EQ(response.list_services_response().service(0).name(),
            "backprop.v1.TrainingService");
  EXPECT_EQ(response.list_services_response().service(1).name(),
            "grpc.health.v1.Health");
}

// Puts the answer's files into database and returns their names.
std::vector<std::string> AddFiles(
    const ServerReflectionResponse& response,
    google::protobuf::SimpleDescriptorDatabase* database) {
  std::vector<std::string> names;
  for (const std::string& bytes :
       response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
    EXPECT_TRUE(database->Add(file)) << file.name() << " came twice";
  }
  return names;
}

// A client that knows nothing but the answer can build the service from it.
TEST_F(ReflectionTest, ASymbolsFileComesWithAllThatItImports) {
  const auto response = Ask(training_service_);
  google::protobuf::SimpleDescriptorDatabase database;
  const std::vector<std::string> names = AddFiles(response, &database);
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names[0], "backprop/v1/training_service.proto");
  google::protobuf::DescriptorPool pool(&database);
  const auto* service = pool.FindServiceByName("backprop.v1.TrainingService");
  ASSERT_NE(service, nullptr);
  EXPECT_NE(service->FindMethodByName("Train"), nullptr);
}

TEST_F(ReflectionTest, MethodsAndMessagesAreSymbolsToo) {
  for (const char* symbol :
       {"backprop.v1.TrainingService.Train", "backprop.v1.StepDigest"}) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(symbol);
    EXPECT_TRUE(Ask(request).has_file_descriptor_response()) << symbol;
  }
}

// Clients write JSON with the names that they find here.
void ExpectJsonNames(const google::protobuf::DescriptorProto& message) {
  for (const auto& field : message.field()) {
    std::string camel;  // as the JSON mapping says
    bool capital = false;
    for (const char c : field.name()) {
      if (c != '_') {
        camel.push_back(capital && c >= 'a' && c <= 'z'
                            ? static_cast<char>(c - 'a' + 'A')
                            : c);
      }
      capital = c == '_';
    }
    EXPECT_EQ(field.json_name(), camel) << message.name();
  }
  for (const auto& nested : message.nested_type()) ExpectJsonNames(nested);
}

TEST_F(ReflectionTest, FieldsHaveTheirJsonNames) {
  const auto response = Ask(training_service_);
  for (const std::string& bytes :
       response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    for (const auto& message : file.message_type()) ExpectJsonNames(message);
  }
}

TEST_F(ReflectionTest, AFileIsFoundByItsName) {
  const auto response = Ask(Parsed<ServerReflectionRequest>(
      "file_by_filename: 'backprop/v1/delta.proto'"));
  ASSERT_EQ(response.file_descriptor_response().file_descriptor_proto_size(),
            1);
  google::protobuf::FileDescriptorProto file;
  ASSERT_TRUE(file.ParseFromString(
      response.file_descriptor_response().file_descriptor_proto(0)));
  EXPECT_EQ(file.name(), "backprop/v1/delta.proto");
}

TEST_F(ReflectionTest, WhatDoesNotExistIsNotFoundAndTheStreamGoesOn) {
  grpc::ClientContext context;
  const auto stream = stub_->ServerReflectionInfo(&context);
  ServerReflectionResponse response;
  for (const char* request :
       {"file_by_filename: 'no/such.proto'",
        "file_containing_symbol: 'no.Such'",
        "file_containing_extension {containing_type: 'no.Such'}",
        "file_containing_extension {containing_type: 'backprop.v1.StepDigest'}",
        "all_extension_numbers_of_type: 'no.Such'"}) {
    ASSERT_TRUE(stream->Write(Parsed<ServerReflectionRequest>(request)));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.error_response().error_code(),
              grpc::StatusCode::NOT_FOUND)
        << request;
    EXPECT_NE(response.error_response().error_message(), "");
  }
  ASSERT_TRUE(stream->Write(ServerReflectionRequest()));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.error_response().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ReflectionTest, AMessageWithoutExtensionsHasNone) {
  const auto response = Ask(Parsed<ServerReflectionRequest>(
      "all_extension_numbers_of_type: 'backprop.v1.StepDigest'"));
  ASSERT_TRUE(response.has_all_extension_numbers_response());
  const auto& answer = response.all_extension_numbers_response();
  EXPECT_EQ(answer.base_type_name(), "backprop.v1.StepDigest");
  EXPECT_EQ(answer.extension_number_size(), 0);
}

TEST_F(ReflectionTest, WhatIsNoRequestEndsTheStream) {
  for (const std::string& symbol :
       {std::string("s-\xff"), std::string(5000, 's')}) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(symbol);
    grpc::ClientContext context;
    const auto stream = stub_->ServerReflectionInfo(&context);
    stream->Write(request);
    ServerReflectionResponse response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_EQ(stream->Finish().error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
}

// Shutdown returns only when every stream is done, so a leaked one hangs it.
TEST_F(ReflectionTest, ClientsThatVanishLeaveNothingBehind) {
  for (int i = 0; i < 100; ++i) {
    grpc::ClientContext context;
    const auto stream = stub_->ServerReflectionInfo(&context);
    // Cancelled while opening, reading, answering or idle, by turns.
    for (int j = 0; j < i % 4; ++j) stream->Write(training_service_);
    ServerReflectionResponse response;
    if (i % 2 == 1) stream->Read(&response);
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  const auto begin = std::chrono::steady_clock::now();
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::seconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

// The server as it is started.
class ReflectedServerTest : public ServiceTest {
 protected:
  // Asks, in a stream of its own, in the version that Api is of.
  template <class Api>
  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    const auto stub = Api::NewStub(channel());
    grpc::ClientContext context;
    const auto stream = stub->ServerReflectionInfo(&context);
    return Exchange(*stream, request);
  }

  // The versions' messages have the same bytes.
  template <class Sent, class Received>
  static ServerReflectionResponse Exchange(
      grpc::ClientReaderWriter<Sent, Received>& stream,
      const ServerReflectionRequest& request) {
    Sent sent;
    EXPECT_TRUE(sent.ParseFromString(request.SerializeAsString()));
    EXPECT_TRUE(stream.Write(sent));
    Received received;
    EXPECT_TRUE(stream.Read(&received));
    stream.WritesDone();
    EXPECT_TRUE(stream.Finish().ok());
    ServerReflectionResponse response;
    EXPECT_TRUE(response.ParseFromString(received.SerializeAsString()));
    return response;
  }

  // Each service's full name; each is described, with all its methods' types.
  template <class Api>
  std::vector<std::string> DescribedServices() {
    ServerReflectionRequest request;
    request.set_list_services("");
    const ServerReflectionResponse list = Ask<Api>(request);
    std::vector<std::string> names;
    for (const auto& service : list.list_services_response().service()) {
      names.push_back(service.name());
      request.set_file_containing_symbol(service.name());
      google::protobuf::SimpleDescriptorDatabase database;
      AddFiles(Ask<Api>(request), &database);
      google::protobuf::DescriptorPool pool(&database);
      EXPECT_NE(pool.FindServiceByName(service.name()), nullptr)
          << service.name();
    }
    return names;
  }
};

TEST_F(ReflectedServerTest, EveryServiceIsListedAndDescribedInBothVersions) {
  const auto all = ::testing::UnorderedElementsAre(
      "backprop.v1.TrainingService", "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection");
  EXPECT_THAT(DescribedServices<reflection::ServerReflection>(), all);
  EXPECT_THAT(
      DescribedServices<::grpc::reflection::v1alpha::ServerReflection>(), all);
}

// A method that is described but not served would mislead.
TEST_F(ReflectedServerTest, HealthIsServedAsItIsDescribed) {
  const auto* const service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          "grpc.health.v1.Health");
  ASSERT_NE(service, nullptr);
  ASSERT_EQ(service->method_count(), 2);
  const auto stub = ::grpc::health::v1::Health::NewStub(channel());
  ::grpc::health::v1::HealthCheckRequest request;
  ::grpc::health::v1::HealthCheckResponse response;
  EXPECT_EQ(service->method(0)->name(), "Check");
  grpc::ClientContext check;
  ASSERT_TRUE(stub->Check(&check, request, &response).ok());
  EXPECT_EQ(response.status(), response.SERVING);
  EXPECT_EQ(service->method(1)->name(), "Watch");
  grpc::ClientContext watch;
  const auto watcher = stub->Watch(&watch, request);
  ASSERT_TRUE(watcher->Read(&response));
  EXPECT_EQ(response.status(), response.SERVING);
  watch.TryCancel();
  EXPECT_EQ(watcher->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ReflectedServerTest, BothVersionsGiveJsonNames) {
  const auto request = Parsed<ServerReflectionRequest>(
      "file_by_filename: 'backprop/v1/training_service.proto'");
  const auto v1 = Ask<reflection::ServerReflection>(request);
  const auto v1alpha =
      Ask<::grpc::reflection::v1alpha::ServerReflection>(request);
  google::protobuf::FileDescriptorProto file;
  ASSERT_TRUE(file.ParseFromString(
      v1.file_descriptor_response().file_descriptor_proto(0)));
  EXPECT_EQ(file.message_type(0).field(0).json_name(), "sessionId");
  EXPECT_EQ(v1.SerializeAsString(), v1alpha.SerializeAsString());
}

}  // namespace
}  // namespace backprop::testing
