// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/remote.h"

#include <cstdio>
#include <cstring>
#include <random>
#include <sstream>
#include <stdexcept>

namespace backprop::testing {

void Require(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what);
}

std::unique_ptr<ServerProcess> StartServer(
    const std::string& program, const std::vector<std::string>& arguments) {
  auto process = ServerProcess::Start(program, arguments);
  Require(process != nullptr, program + " did not start");
  return process;
}

std::unique_ptr<ServerProcess> StartBackpropd(const std::string& program) {
  return StartServer(
      program, {"--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0"});
}

std::string KernelsOf(const std::string& backpropd) {
  const auto server = StartBackpropd(backpropd);
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  const grpc::Status status =
      v1::TrainingService::NewStub(Connect(*server))
          ->GetServerInfo(&context, v1::GetServerInfoRequest(), &info);
  Require(status.ok(), "GetServerInfo: " + status.error_message());
  // Of OpenBLAS's words about itself its name and version.
  std::istringstream words(info.compute().blas());
  std::string name, version;
  words >> name >> version;
  return name + " " + version + " " + info.compute().blas_kernels();
}

std::shared_ptr<grpc::Channel> Connect(const ServerProcess& process) {
  grpc::ChannelArguments arguments;
  // A connection of its own for each.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(
      process.grpc_address(), grpc::InsecureChannelCredentials(), arguments);
}

int RunBenchmark(const std::function<void()>& run) {
  try {
    run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "benchmark: %s\n", error.what());
    return 1;
  }
}

v1::SessionSpec ClassifierSpec(const std::vector<uint32_t>& sizes,
                               v1::ElementType inputs) {
  v1::SessionSpec spec;
  spec.set_input_size(sizes.front());
  for (size_t k = 1; k < sizes.size(); ++k) {
    v1::Layer* layer = spec.add_layers();
    layer->set_size(sizes[k]);
    layer->set_activation(k + 1 < sizes.size() ? v1::ACTIVATION_RELU
                                               : v1::ACTIVATION_SOFTMAX);
  }
  spec.set_loss(v1::LOSS_CROSS_ENTROPY);
  spec.mutable_optimiser()->mutable_sgd();
  spec.mutable_optimiser()->set_learning_rate(0.002F);
  spec.mutable_input()->set_element_type(inputs);
  if (inputs == v1::ELEMENT_TYPE_UINT8) {
    spec.mutable_input()->set_scale(1.0F / 255);
  }
  return spec;
}

v1::Session CreateSession(v1::TrainingService::Stub& stub,
                          const v1::SessionSpec& spec) {
  grpc::ClientContext context;
  v1::CreateSessionRequest request;
  *request.mutable_spec() = spec;
  v1::CreateSessionResponse response;
  const grpc::Status status = stub.CreateSession(&context, request, &response);
  Require(status.ok(), "CreateSession: " + status.error_message());
  return response.session();
}

v1::TrainRequest TrainMessage(const v1::SessionSpec& spec, size_t n) {
  std::mt19937 random(7);
  v1::TrainRequest request;
  std::string* const inputs = request.mutable_inputs();
  for (size_t i = 0; i < n * spec.input_size(); ++i) {
    const auto ink = static_cast<uint8_t>(random() % 5 == 0 ? random() : 0);
    if (spec.input().element_type() == v1::ELEMENT_TYPE_UINT8) {
      inputs->push_back(static_cast<char>(ink));
      continue;
    }
    const float x = static_cast<float>(ink) / 255;
    inputs->append(reinterpret_cast<const char*>(&x), sizeof x);
  }
  const uint32_t classes = spec.layers().rbegin()->size();
  for (size_t i = 0; i < n; ++i) {
    request.add_classes(static_cast<uint32_t>(i) % classes);
  }
  return request;
}

std::string OpeningMessage(const std::string& session_id,
                           const v1::TrainOptions& options) {
  v1::TrainRequest request;
  request.set_session_id(session_id);
  *request.mutable_options() = options;
  return request.SerializeAsString();
}

}  // namespace backprop::testing
