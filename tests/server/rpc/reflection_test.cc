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

#include "grpc/reflection/v1/reflection.grpc.pb.h"

namespace backprop {
namespace {

namespace reflection = ::grpc::reflection::v1;
using reflection::ServerReflectionRequest;
using reflection::ServerReflectionResponse;

class ReflectionTest : public testing::Test {
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

  const std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<reflection::ServerReflection::Stub> stub_;
};

TEST_F(ReflectionTest, ServicesAreThoseThatWereNamed) {
  ServerReflectionRequest request;
  request.set_host("somewhere");
  request.set_list_services("*");
  const auto response = Ask(request);
  EXPECT_EQ(response.valid_host(), "somewhere");
  ASSERT_EQ(response.list_services_response().service_size(), 2);
  EXPECT_EQ(response.list_services_response().service(0).name(),
            "backprop.v1.TrainingService");
  EXPECT_EQ(response.list_services_response().service(1).name(),
            "grpc.health.v1.Health");
}

// A client that knows nothing but the answer can build the service from it.
TEST_F(ReflectionTest, ASymbolsFileComesWithAllThatItImports) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("backprop.v1.TrainingService");
  const auto response = Ask(request);
  const auto& files =
      response.file_descriptor_response().file_descriptor_proto();
  google::protobuf::SimpleDescriptorDatabase database;
  std::vector<std::string> names;
  for (const std::string& bytes : files) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
    EXPECT_TRUE(database.Add(file)) << file.name() << " came twice";
  }
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

TEST_F(ReflectionTest, AFileIsFoundByItsName) {
  ServerReflectionRequest request;
  request.set_file_by_filename("backprop/v1/delta.proto");
  const auto response = Ask(request);
  ASSERT_EQ(response.file_descriptor_response().file_descriptor_proto_size(),
            1);
  google::protobuf::FileDescriptorProto file;
  ASSERT_TRUE(file.ParseFromString(
      response.file_descriptor_response().file_descriptor_proto(0)));
  EXPECT_EQ(file.name(), "backprop/v1/delta.proto");
}

TEST_F(ReflectionTest, WhatDoesNotExistIsNotFoundAndTheStreamGoesOn) {
  std::vector<ServerReflectionRequest> requests(4);
  requests[0].set_file_by_filename("no/such.proto");
  requests[1].set_file_containing_symbol("no.Such");
  requests[2].mutable_file_containing_extension()->set_containing_type(
      "no.Such");
  requests[3].set_all_extension_numbers_of_type("backprop.v1.StepDigest");
  grpc::ClientContext context;
  const auto stream = stub_->ServerReflectionInfo(&context);
  ServerReflectionResponse response;
  for (const auto& request : requests) {
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.error_response().error_code(),
              grpc::StatusCode::NOT_FOUND)
        << request.ShortDebugString();
    EXPECT_NE(response.error_response().error_message(), "");
  }
  ASSERT_TRUE(stream->Write(ServerReflectionRequest()));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.error_response().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// Shutdown returns only when every stream is done, so a leaked one hangs it.
TEST_F(ReflectionTest, ClientsThatVanishLeaveNothingBehind) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("backprop.v1.TrainingService");
  for (int i = 0; i < 100; ++i) {
    grpc::ClientContext context;
    const auto stream = stub_->ServerReflectionInfo(&context);
    // Cancelled while opening, reading, answering or idle, by turns.
    for (int j = 0; j < i % 4; ++j) stream->Write(request);
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

}  // namespace
}  // namespace backprop
