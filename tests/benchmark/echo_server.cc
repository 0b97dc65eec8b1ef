// SPDX-License-Identifier: Apache-2.0
//
// The peer of the wire benchmark: what gRPC itself costs. A callback server
// that answers every message of /echo/N with N bytes and does nothing else. The
// answers begin like a TrainResponse with message_done set, so that a client
// does the same with them.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "backprop/v1/training_service.pb.h"

namespace {

// N bytes that parse as a TrainResponse whose message is done.
grpc::ByteBuffer Answer(size_t size) {
  backprop::v1::TrainResponse response;
  response.set_message_number(1);
  response.set_message_done(true);
  std::string bytes = response.SerializeAsString();
  // Field 6 (errors, packed) of what is left: tag, 3 length bytes, zeros.
  if (size > bytes.size() + 4) {
    const size_t rest = size - bytes.size() - 4;
    bytes += '\x32';
    bytes += static_cast<char>((rest & 0x7f) | 0x80);
    bytes += static_cast<char>(((rest >> 7) & 0x7f) | 0x80);
    bytes += static_cast<char>((rest >> 14) & 0x7f);
    bytes.resize(size);
  }
  grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// Reads on while it writes, as a server that is never the limit would.
class Echo final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Echo(size_t answer_size) : answer_(Answer(answer_size)) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    std::lock_guard lock(mutex_);
    if (!ok) {
      half_closed_ = true;
      if (owed_ == 0) Finish(grpc::Status::OK);
      return;
    }
    if (++owed_ == 1) StartWrite(&answer_);
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    if (!ok) owed_ = 1;
    if (--owed_ > 0) {
      StartWrite(&answer_);
    } else if (half_closed_) {
      Finish(grpc::Status::OK);
    }
  }

  void OnDone() override { delete this; }

 private:
  const grpc::ByteBuffer answer_;
  grpc::ByteBuffer request_;
  std::mutex mutex_;
  size_t owed_ = 0;
  bool half_closed_ = false;
};

class EchoService final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const std::string& method = context->method();
    const size_t slash = method.rfind('/');
    return new Echo(std::strtoul(method.c_str() + slash + 1, nullptr, 10));
  }
};

}  // namespace

int main() {
  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::fprintf(stderr,
               "{\"message\":\"serving\",\"grpc_address\":\"127.0.0.1:%d\"}\n",
               port);
  server->Wait();
}
