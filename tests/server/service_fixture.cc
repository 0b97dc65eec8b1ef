// SPDX-License-Identifier: Apache-2.0
#include "tests/server/service_fixture.h"

#include <grpcpp/generic/generic_stub.h>

#include <cstring>
#include <future>
#include <sstream>

#include "grpc/health/v1/health.grpc.pb.h"

namespace backprop::testing {
namespace {

v1::CreateSessionRequest RequestFor(const v1::SessionSpec& spec) {
  v1::CreateSessionRequest request;
  *request.mutable_spec() = spec;
  return request;
}

}  // namespace

ServerOptions ServiceTest::SmallLimits() {
  ServerOptions options;
  options.grpc_address = "127.0.0.1:0";
  options.compute_threads = 2;
  options.log_level = "error";
  return options;
}

void ServiceTest::StartServer(const ServerOptions& options) {
  stub_.reset();
  channel_.reset();
  server_.reset();
  metrics_ = std::make_unique<Metrics>();
  auto started = Server::Start(options, metrics_.get());
  ASSERT_TRUE(started.ok()) << started.status();
  server_ = *std::move(started);
  channel_ = NewChannel();
  stub_ = v1::TrainingService::NewStub(channel_);
}

std::shared_ptr<grpc::Channel> ServiceTest::NewChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel(
      server_->grpc_address(), grpc::InsecureChannelCredentials(), arguments);
}

double ServiceTest::Metric(const std::string& begin) {
  std::istringstream page(MetricsText());
  double sum = 0;
  bool found = false;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with(begin)) continue;
    sum += std::stod(line.substr(line.rfind(' ')));
    found = true;
  }
  EXPECT_TRUE(found) << "no metric " << begin;
  return sum;
}

grpc::Status ServiceTest::CallBytes(const std::string& path,
                                    const std::string& request,
                                    std::string* response) {
  const grpc::Slice slice(request);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer received;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(60));
  std::promise<grpc::Status> done;
  grpc::GenericStub(channel()).UnaryCall(
      &context, path, {}, &sent, &received,
      [&done](grpc::Status result) { done.set_value(std::move(result)); });
  grpc::Status status = done.get_future().get();
  grpc::Slice answer;
  if (status.ok() && received.DumpToSingleSlice(&answer).ok()) {
    response->assign(answer.begin(), answer.end());
  }
  return status;
}

grpc::Status ServiceTest::EvaluateAll(
    const std::vector<v1::EvaluateRequest>& requests,
    v1::EvaluateResponse* response) {
  grpc::ClientContext context;
  const auto writer = stub().Evaluate(&context, response);
  for (const auto& request : requests) {
    if (!writer->Write(request)) break;
  }
  writer->WritesDone();
  return writer->Finish();
}

int ServiceTest::Health(const std::string& service, grpc::Status* status) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(60));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  *status = grpc::health::v1::Health::NewStub(channel())->Check(
      &context, request, &response);
  return status->ok() ? response.status() : -1;
}

v1::Session ServiceTest::Create(const v1::CreateSessionRequest& request) {
  return Ask(&Stub::CreateSession, request).session();
}

v1::Session ServiceTest::Create(const v1::SessionSpec& spec) {
  return Create(RequestFor(spec));
}

grpc::Status ServiceTest::TryCreate(const v1::CreateSessionRequest& request) {
  return Try(&Stub::CreateSession, request);
}

grpc::Status ServiceTest::TryCreate(const v1::SessionSpec& spec) {
  return TryCreate(RequestFor(spec));
}

v1::Session ServiceTest::Get(const std::string& session_id) {
  return Ask(&Stub::GetSession, For<v1::GetSessionRequest>(session_id))
      .session();
}

grpc::Status ServiceTest::Delete(const std::string& session_id) {
  return Try(&Stub::DeleteSession, For<v1::DeleteSessionRequest>(session_id));
}

std::vector<float> ServiceTest::Anchor(const v1::GetWeightsRequest& request,
                                       v1::GetWeightsResponse* end) {
  grpc::ClientContext context;
  const auto reader = stub().GetWeights(&context, request);
  std::vector<float> numbers;
  for (v1::GetWeightsResponse chunk; reader->Read(&chunk);) {
    EXPECT_EQ(chunk.first_weight(), numbers.size()) << "gap between chunks";
    const std::vector<float> part = Floats(chunk.weights());
    numbers.insert(numbers.end(), part.begin(), part.end());
    *end = chunk;
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return numbers;
}

std::vector<float> ServiceTest::Weights(const std::string& session_id,
                                        v1::GetWeightsResponse* end) {
  v1::GetWeightsResponse last;
  std::vector<float> weights =
      Anchor(For<v1::GetWeightsRequest>(session_id), &last);
  EXPECT_EQ(last.weight_count(), weights.size());
  if (end != nullptr) *end = last;
  return weights;
}

std::vector<float> ServiceTest::WeightsAndState(const std::string& session_id,
                                                v1::GetWeightsResponse* end) {
  v1::GetWeightsResponse last;
  std::vector<float> numbers =
      Anchor(For<v1::GetWeightsRequest>(session_id, "with_state: true"), &last);
  if (end != nullptr) *end = last;
  return numbers;
}

uint64_t ServiceTest::Digest(const std::string& session_id) {
  v1::GetWeightsResponse end;
  Weights(session_id, &end);
  return end.digest();
}

std::shared_ptr<grpc::Channel> TransportTest::NewChannel() {
  if (GetParam() == Transport::kTcp) return ServiceTest::NewChannel();
  return server().InProcessChannel();
}

std::string TransportName(const ::testing::TestParamInfo<Transport>& info) {
  return info.param == Transport::kInProcess ? "InProcess" : "Tcp";
}

v1::SessionSpec Spec(uint32_t inputs, std::initializer_list<uint32_t> sizes) {
  v1::SessionSpec spec;
  spec.set_input_size(inputs);
  for (const uint32_t size : sizes) {
    v1::Layer* layer = spec.add_layers();
    layer->set_size(size);
    layer->set_activation(v1::ACTIVATION_TANH);
  }
  spec.mutable_layers(spec.layers_size() - 1)
      ->set_activation(v1::ACTIVATION_IDENTITY);
  spec.mutable_optimiser()->mutable_sgd();
  spec.mutable_optimiser()->set_learning_rate(0.05F);
  spec.mutable_initialiser()->set_seed(7);
  return spec;
}

v1::PredictRequest PredictionOf(const std::string& session_id,
                                const std::vector<float>& inputs) {
  auto request = For<v1::PredictRequest>(session_id);
  request.set_inputs(Bytes(inputs));
  return request;
}

v1::TrainRequest SamplesOf(const std::vector<float>& inputs,
                           const std::vector<float>& targets) {
  v1::TrainRequest request;
  request.set_inputs(Bytes(inputs));
  request.set_targets(Bytes(targets));
  return request;
}

v1::EvaluateRequest EvaluationOf(const std::string& session_id,
                                 const v1::TrainRequest& samples) {
  auto request = For<v1::EvaluateRequest>(session_id);
  request.set_inputs(samples.inputs());
  request.set_targets(samples.targets());
  return request;
}

v1::EvaluateRequest EvaluationOf(const std::string& session_id,
                                 const std::vector<float>& inputs,
                                 const std::vector<float>& targets) {
  return EvaluationOf(session_id, SamplesOf(inputs, targets));
}

v1::CreateSessionRequest ForkOf(const v1::Session& origin, bool with_state) {
  v1::CreateSessionRequest request;
  request.mutable_fork()->set_session_id(origin.session_id());
  request.mutable_fork()->set_with_state(with_state);
  return request;
}

v1::UpdateSessionRequest UpdateOf(const v1::Session& session,
                                  const std::vector<const char*>& paths,
                                  const v1::SessionSpec& spec) {
  auto request = For<v1::UpdateSessionRequest>(session);
  for (const char* path : paths) request.mutable_update_mask()->add_paths(path);
  *request.mutable_spec() = spec;
  return request;
}

std::vector<float> Floats(const std::string& bytes) {
  EXPECT_EQ(bytes.size() % sizeof(float), 0u);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) {
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  }
  return values;
}

}  // namespace backprop::testing
