// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>

#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/rpc/byte_buffer.h"

namespace backprop {
namespace {

// v1alpha's messages have the same bytes, so these serve both.
namespace reflection = ::grpc::reflection::v1;
using Request = reflection::ServerReflectionRequest;
using Response = reflection::ServerReflectionResponse;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

void AddWithImports(const FileDescriptor* file,
                    std::unordered_set<const FileDescriptor*>* seen,
                    reflection::FileDescriptorResponse* answer) {
  if (!seen->insert(file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  file->CopyJsonNameTo(&proto);  // which CopyTo leaves out
  proto.SerializeToString(answer->add_file_descriptor_proto());
  for (int i = 0; i < file->dependency_count(); ++i) {
    AddWithImports(file->dependency(i), seen, answer);
  }
}

void AnswerError(grpc::StatusCode code, const std::string& message,
                 Response* response) {
  response->mutable_error_response()->set_error_code(code);
  response->mutable_error_response()->set_error_message(message);
}

// file: null if there is none.
void AnswerFile(const FileDescriptor* file, const std::string& what,
                Response* response) {
  if (file == nullptr) {
    AnswerError(grpc::StatusCode::NOT_FOUND, "There is no " + what + ".",
                response);
    return;
  }
  std::unordered_set<const FileDescriptor*> seen;
  AddWithImports(file, &seen, response->mutable_file_descriptor_response());
}

void AnswerExtension(const DescriptorPool& pool,
                     const reflection::ExtensionRequest& request,
                     Response* response) {
  const Descriptor* const type =
      pool.FindMessageTypeByName(request.containing_type());
  const FieldDescriptor* const extension =
      type == nullptr
          ? nullptr
          : pool.FindExtensionByNumber(type, request.extension_number());
  AnswerFile(extension == nullptr ? nullptr : extension->file(),
             absl::StrCat("extension ", request.extension_number(), " of ",
                          request.containing_type()),
             response);
}

void AnswerExtensionNumbers(const DescriptorPool& pool, const std::string& name,
                            Response* response) {
  const Descriptor* const type = pool.FindMessageTypeByName(name);
  if (type == nullptr) return AnswerFile(nullptr, "type " + name, response);
  auto* const answer = response->mutable_all_extension_numbers_response();
  answer->set_base_type_name(type->full_name());
  std::vector<const FieldDescriptor*> extensions;
  pool.FindAllExtensions(type, &extensions);
  for (const FieldDescriptor* extension : extensions) {
    answer->add_extension_number(extension->number());
  }
}

void Answer(const std::vector<std::string>& service_names,
            const Request& request, Response* response) {
  response->Clear();
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      return AnswerFile(pool.FindFileByName(request.file_by_filename()),
                        "file " + request.file_by_filename(), response);
    case Request::kFileContainingSymbol:
      return AnswerFile(
          pool.FindFileContainingSymbol(request.file_containing_symbol()),
          "symbol " + request.file_containing_symbol(), response);
    case Request::kFileContainingExtension:
      return AnswerExtension(pool, request.file_containing_extension(),
                             response);
    case Request::kAllExtensionNumbersOfType:
      return AnswerExtensionNumbers(
          pool, request.all_extension_numbers_of_type(), response);
    case Request::kListServices: {
      auto* list = response->mutable_list_services_response();
      for (const std::string& name : service_names) {
        list->add_service()->set_name(name);
      }
      return;
    }
    case Request::MESSAGE_REQUEST_NOT_SET:
      return AnswerError(grpc::StatusCode::INVALID_ARGUMENT,
                         "The request asks nothing that this server knows.",
                         response);
  }
}

// One call. Reads and writes take turns, so exactly one operation is under way
// at any time and its reaction alone may call Finish; a cancelled call fails
// that operation, which is why OnCancel has nothing to do.
class ReflectionStream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // service_names must outlive the call.
  explicit ReflectionStream(const std::vector<std::string>* service_names)
      : service_names_(*service_names) {
    StartRead(&message_);
  }

  void OnReadDone(bool ok) noexcept override {
    if (!ok) return Finish(grpc::Status::OK);  // half-closed or gone
    if (absl::Status status = ParseSmall(&message_, &request_); !status.ok()) {
      return Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                 std::string(status.message())));
    }
    Answer(service_names_, request_, &response_);
    message_ = Serialize(response_);
    StartWrite(&message_);
  }

  void OnWriteDone(bool ok) noexcept override {
    if (!ok) {
      return Finish(
          grpc::Status(grpc::StatusCode::CANCELLED, "The client went away."));
    }
    message_.Clear();
    StartRead(&message_);
  }

  void OnDone() noexcept override { delete this; }

 private:
  const std::vector<std::string>& service_names_;
  // Owned by the operation under way.
  grpc::ByteBuffer message_;
  Request request_;
  Response response_;
};

// Method: a version's service, with its one method raw.
template <class Method>
class ReflectionService final : public Method {
 public:
  explicit ReflectionService(std::vector<std::string> service_names)
      : service_names_(std::move(service_names)) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>*
  ServerReflectionInfo(
      grpc::CallbackServerContext* /*context*/) noexcept override {
    return new ReflectionStream(&service_names_);
  }

 private:
  const std::vector<std::string> service_names_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeReflectionService(
    std::vector<std::string> service_names) {
  using V1 = reflection::ServerReflection;
  return std::make_unique<ReflectionService<
      V1::WithRawCallbackMethod_ServerReflectionInfo<V1::Service>>>(
      std::move(service_names));
}

std::unique_ptr<grpc::Service> MakeReflectionV1AlphaService(
    std::vector<std::string> service_names) {
  using V1Alpha = ::grpc::reflection::v1alpha::ServerReflection;
  return std::make_unique<ReflectionService<
      V1Alpha::WithRawCallbackMethod_ServerReflectionInfo<V1Alpha::Service>>>(
      std::move(service_names));
}

}  // namespace backprop
