// SPDX-License-Identifier: Apache-2.0
//
// A server in this process, and calls to it.
#ifndef BACKPROP_TESTS_SERVER_SERVICE_FIXTURE_H_
#define BACKPROP_TESTS_SERVER_SERVICE_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backprop/v1/training_service.grpc.pb.h"
#include "server/ops/metrics.h"
#include "server/server.h"
#include "tests/float_bytes.h"
#include "tests/message_text.h"
#include "tests/server/status_matchers.h"

namespace backprop::testing {

// Calls go over loopback TCP, as a client's do.
class ServiceTest : public ::testing::Test {
 protected:
  using Stub = v1::TrainingService::Stub;

  void SetUp() override { StartServer(SmallLimits()); }

  // Loopback with a free port, two compute threads, quiet.
  static ServerOptions SmallLimits();
  // Replaces the server that runs, if any.
  void StartServer(const ServerOptions& options);
  // The same with SmallLimits() but for what change(options) sets.
  template <class Change>
  void StartWith(Change change) {
    ServerOptions options = SmallLimits();
    change(options);
    StartServer(options);
  }

  Server& server() { return *server_; }
  Stub& stub() { return *stub_; }
  std::shared_ptr<grpc::Channel> channel() { return channel_; }
  // A connection of its own where the transport has connections.
  virtual std::shared_ptr<grpc::Channel> NewChannel();
  std::string MetricsText() { return metrics_->Serialize(); }
  // The sum over all lines of the metrics page that begin with this. Adds a
  // failure to the test if there is none.
  double Metric(const std::string& begin);

  // Polls for up to 20 s.
  template <class Condition>
  bool Eventually(Condition condition) {
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  // Each call with a deadline of 60 s.
  template <class Request, class Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(60));
    return (stub().*method)(&context, request, response);
  }

  // The call's status.
  template <class Request, class Response>
  grpc::Status Try(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                const Request&, Response*),
                   const Request& request) {
    Response response;
    return Call(method, request, &response);
  }
  // Its response. Adds a failure to the test unless the call is OK.
  template <class Request, class Response>
  Response Ask(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                            const Request&, Response*),
               const Request& request) {
    Response response;
    const grpc::Status status = Call(method, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // A call by a method's path ("/package.Service/Method") and bytes, for what
  // no stub would send: one request message, at most one response.
  grpc::Status CallBytes(const std::string& path, const std::string& request,
                         std::string* response);
  // One Evaluate of these messages.
  grpc::Status EvaluateAll(const std::vector<v1::EvaluateRequest>& requests,
                           v1::EvaluateResponse* response);
  // HealthCheckResponse.status of a service; -1 and *status if the call fails.
  int Health(const std::string& service, grpc::Status* status);

  // Adds a failure to the test if the session cannot be made.
  v1::Session Create(const v1::SessionSpec& spec);
  v1::Session Create(const v1::CreateSessionRequest& request);
  grpc::Status TryCreate(const v1::SessionSpec& spec);
  grpc::Status TryCreate(const v1::CreateSessionRequest& request);
  v1::Session Get(const std::string& session_id);
  grpc::Status Delete(const std::string& session_id);
  // All weights, from GetWeights; the last chunk's digest and step go to *end.
  std::vector<float> Weights(const std::string& session_id,
                             v1::GetWeightsResponse* end = nullptr);
  // The same, and the optimiser's state after them.
  std::vector<float> WeightsAndState(const std::string& session_id,
                                     v1::GetWeightsResponse* end = nullptr);
  // The digest now, from GetWeights.
  uint64_t Digest(const std::string& session_id);

  // The same by the session.
  v1::Session Get(const v1::Session& session) {
    return Get(session.session_id());
  }
  grpc::Status Delete(const v1::Session& session) {
    return Delete(session.session_id());
  }
  std::vector<float> Weights(const v1::Session& session,
                             v1::GetWeightsResponse* end = nullptr) {
    return Weights(session.session_id(), end);
  }
  std::vector<float> WeightsAndState(const v1::Session& session,
                                     v1::GetWeightsResponse* end = nullptr) {
    return WeightsAndState(session.session_id(), end);
  }
  uint64_t Digest(const v1::Session& session) {
    return Digest(session.session_id());
  }

 private:
  std::vector<float> Anchor(const v1::GetWeightsRequest& request,
                            v1::GetWeightsResponse* end);

  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
};

enum class Transport { kInProcess, kTcp };

// For the few suites whose body runs over both transports: what hangs on when
// gRPC moves, buffers and ends messages (the two kinds of open stream, limits)
// or must hold for whatever serves a method. gRPC's in-process transport has no
// connections, sockets or flow control in bytes, so calls meet in other orders
// there; it stands for no client, so that other suites need no second run.
class TransportTest : public ServiceTest,
                      public ::testing::WithParamInterface<Transport> {
 protected:
  std::shared_ptr<grpc::Channel> NewChannel() override;

  // Whether this is how a stream ends whose server drained: with OK; in-process
  // its last status may be lost (server.h).
  bool IsGoodEndOfDrain(const grpc::Status& status) const {
    return status.ok() ||
           (GetParam() == Transport::kInProcess &&
            status.error_code() == grpc::StatusCode::UNAVAILABLE);
  }
};

std::string TransportName(const ::testing::TestParamInfo<Transport>& info);

#define BACKPROP_OVER_BOTH_TRANSPORTS(suite)                                  \
  INSTANTIATE_TEST_SUITE_P(                                                   \
      Over, suite, ::testing::Values(Transport::kInProcess, Transport::kTcp), \
      TransportName)

// A network of dense layers `sizes`, tanh within and identity at the end, half
// squared error, SGD at 0.05, FLOAT32 inputs.
v1::SessionSpec Spec(uint32_t inputs, std::initializer_list<uint32_t> sizes);

// A request of this kind for the session, with what a text says besides.
template <class Request>
Request For(const std::string& session_id, const std::string& text = "") {
  auto request = Parsed<Request>(text);
  request.set_session_id(session_id);
  return request;
}
template <class Request>
Request For(const v1::Session& session, const std::string& text = "") {
  return For<Request>(session.session_id(), text);
}

// A request to predict these rows.
v1::PredictRequest PredictionOf(const std::string& session_id,
                                const std::vector<float>& inputs);

// A message of Train with these samples.
v1::TrainRequest SamplesOf(const std::vector<float>& inputs,
                           const std::vector<float>& targets);

// A message of Evaluate with the samples of one of Train. session_id: empty in
// all messages of a call but the first.
v1::EvaluateRequest EvaluationOf(const std::string& session_id,
                                 const v1::TrainRequest& samples);
v1::EvaluateRequest EvaluationOf(const std::string& session_id,
                                 const std::vector<float>& inputs,
                                 const std::vector<float>& targets);

// A request for a fork of the session.
v1::CreateSessionRequest ForkOf(const v1::Session& origin, bool with_state);

// A request to set these fields of the session's spec to what spec has.
v1::UpdateSessionRequest UpdateOf(const v1::Session& session,
                                  const std::vector<const char*>& paths,
                                  const v1::SessionSpec& spec = {});

// Of little-endian float32.
std::vector<float> Floats(const std::string& bytes);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_SERVICE_FIXTURE_H_
