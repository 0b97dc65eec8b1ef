// SPDX-License-Identifier: Apache-2.0
//
// What training over the wire costs, beside what gRPC costs without it: a
// 784-128-10 network, inputs as bytes, weight deltas back as factors. backpropd
// and a raw gRPC echo with messages of the same sizes run as processes of their
// own; rounds of both alternate, and medians over the rounds are reported.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "backprop/v1/training_service.grpc.pb.h"
#include "engine/initialiser.h"
#include "engine/layout.h"
#include "engine/network.h"
#include "engine/trainer.h"
#include "tests/benchmark/byte_stream.h"
#include "tests/server_process.h"

namespace backprop::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kInputs = 784;
constexpr uint32_t kHidden = 128;
constexpr uint32_t kClasses = 10;
constexpr int kRounds = 7;
constexpr int kPings = 2000;        // a round
constexpr size_t kSamples = 40000;  // a pipelined round
constexpr size_t kSessions = 2000;

struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  std::string peer;
  double peer_value = 0;
};

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

v1::SessionSpec Spec(uint32_t inputs, uint32_t hidden) {
  v1::SessionSpec spec;
  spec.set_input_size(inputs);
  v1::Layer* first = spec.add_layers();
  first->set_size(hidden);
  first->set_activation(v1::ACTIVATION_RELU);
  v1::Layer* last = spec.add_layers();
  last->set_size(kClasses);
  last->set_activation(v1::ACTIVATION_SOFTMAX);
  spec.set_loss(v1::LOSS_CROSS_ENTROPY);
  spec.mutable_optimiser()->mutable_sgd()->set_learning_rate(0.01F);
  spec.mutable_input()->set_element_type(v1::ELEMENT_TYPE_UINT8);
  spec.mutable_input()->set_scale(1.0F / 255);
  return spec;
}

// Exits the program if the session cannot be made.
std::string CreateSession(v1::TrainingService::Stub& stub,
                          const v1::SessionSpec& spec) {
  grpc::ClientContext context;
  v1::CreateSessionRequest request;
  *request.mutable_spec() = spec;
  v1::CreateSessionResponse response;
  const grpc::Status status = stub.CreateSession(&context, request, &response);
  if (!status.ok()) {
    std::fprintf(stderr, "CreateSession: %s\n", status.error_message().c_str());
    std::exit(1);
  }
  return response.session().session_id();
}

// A message of n samples of which a fifth of the pixels is ink.
std::string TrainMessage(size_t n) {
  std::mt19937 random(7);
  v1::TrainRequest request;
  std::string* inputs = request.mutable_inputs();
  for (size_t i = 0; i < n * kInputs; ++i) {
    inputs->push_back(random() % 5 == 0 ? static_cast<char>(random()) : '\0');
  }
  for (size_t i = 0; i < n; ++i)
    request.add_classes(static_cast<uint32_t>(i % kClasses));
  return request.SerializeAsString();
}

std::string OpeningMessage(const std::string& session_id) {
  v1::TrainRequest request;
  request.set_session_id(session_id);
  return request.SerializeAsString();
}

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "wire_benchmark: %s\n", what);
  std::exit(1);
}

// Microseconds from a message to its answer: the median of one round.
double PingPong(ByteStream& stream, const std::string& message) {
  std::vector<double> times;
  times.reserve(kPings);
  for (int i = 0; i < kPings; ++i) {
    const auto start = Clock::now();
    Require(stream.Send(message, 1, 1), "stream broke in ping-pong");
    times.push_back(Seconds(start) * 1e6);
  }
  return Median(std::move(times));
}

// Samples a second with enough sent ahead to fill the pipe.
double Pipelined(ByteStream& stream, const std::string& message, size_t n) {
  const auto start = Clock::now();
  Require(stream.Send(message, kSamples / n, n == 1 ? 128 : 16),
          "stream broke in pipelining");
  return static_cast<double>(kSamples) / Seconds(start);
}

// Samples a second of the engine alone, in this process.
double Engine(size_t n) {
  NetworkSpec network{.input_size = kInputs,
                      .layers = {{kHidden, Activation::kRelu},
                                 {kClasses, Activation::kSoftmax}},
                      .loss = Loss::kCrossEntropy};
  const std::vector<size_t> sizes = {kHidden, kClasses};
  const Layout layout =
      Layout::Create(kInputs, sizes, 1, size_t{1} << 20).value();
  std::vector<float> weights(layout.weight_count());
  Initialise({}, layout, weights);
  std::mt19937 random(7);
  std::vector<float> inputs(n * kInputs);
  for (float& x : inputs) {
    x = random() % 5 == 0 ? static_cast<float>(random() % 256) / 255 : 0.0F;
  }
  std::vector<float> targets(n * kClasses);
  for (size_t i = 0; i < n; ++i) targets[i * kClasses + i % kClasses] = 1;
  std::vector<float> errors(n);
  std::vector<float> deltas(n * layout.delta_row_length());
  Trainer trainer;
  const auto start = Clock::now();
  for (size_t done = 0; done < kSamples; done += n) {
    trainer.Train({&network, &layout, 0.01F},
                  {inputs, targets, weights, errors, deltas, {}});
  }
  return static_cast<double>(kSamples) / Seconds(start);
}

struct Servers {
  std::string backpropd;
  std::string echo;
};

std::unique_ptr<ServerProcess> StartBackpropd(const std::string& program) {
  auto process = ServerProcess::Start(
      program, {"--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0",
                "--log-level=info"});
  Require(process != nullptr, "backpropd did not start");
  return process;
}

std::shared_ptr<grpc::Channel> Connect(const ServerProcess& process) {
  return grpc::CreateChannel(process.grpc_address(),
                             grpc::InsecureChannelCredentials());
}

// Ping-pong and pipelining for n samples a message, against the echo.
void MeasureWire(const Servers& programs, size_t n, std::vector<Row>* rows) {
  const auto server = StartBackpropd(programs.backpropd);
  const auto echo = ServerProcess::Start(programs.echo, {});
  Require(echo != nullptr, "echo_server did not start");
  const auto channel = Connect(*server);
  const auto stub = v1::TrainingService::NewStub(channel);
  ByteStream train(channel, "/backprop.v1.TrainingService/Train");
  Require(
      train.Send(OpeningMessage(CreateSession(*stub, Spec(kInputs, kHidden))),
                 1, 1),
      "Train did not open");
  const std::string message = TrainMessage(n);
  Require(train.Send(message, 1, 1), "first message failed");
  ByteStream raw(Connect(*echo),
                 "/echo/" + std::to_string(train.answer_bytes()));
  Require(raw.Send(message, 1, 1), "echo failed");
  Require(raw.answer_bytes() == train.answer_bytes(), "sizes differ");
  std::printf("%zu a message: %zu bytes there, %zu back\n", n, message.size(),
              train.answer_bytes());

  std::vector<double> ping, raw_ping, samples, raw_samples;
  for (int round = 0; round < kRounds; ++round) {
    ping.push_back(PingPong(train, message));
    raw_ping.push_back(PingPong(raw, message));
    samples.push_back(Pipelined(train, message, n));
    raw_samples.push_back(Pipelined(raw, message, n));
  }
  const std::string suffix = "_" + std::to_string(n) + "_a_message";
  rows->push_back({"ping_pong_p50" + suffix, Median(ping), "us",
                   "raw gRPC echo of the same sizes", Median(raw_ping)});
  rows->push_back({"pipelined" + suffix, Median(samples), "samples/s",
                   "raw gRPC echo of the same sizes", Median(raw_samples)});
}

void MeasureEngine(std::vector<Row>* rows) {
  for (const size_t n : {size_t{1}, size_t{32}}) {
    std::vector<double> samples;
    for (int round = 0; round < kRounds; ++round) samples.push_back(Engine(n));
    rows->push_back({"engine_alone_" + std::to_string(n) + "_a_call",
                     Median(samples), "samples/s", "", 0});
  }
}

// Resident bytes that a session of 64-32-10 costs when it does nothing.
void MeasureIdleSession(const Servers& programs, std::vector<Row>* rows) {
  const auto server = StartBackpropd(programs.backpropd);
  const auto channel = Connect(*server);
  const auto stub = v1::TrainingService::NewStub(channel);
  const v1::SessionSpec spec = Spec(64, 32);
  for (int i = 0; i < 100; ++i) CreateSession(*stub, spec);  // warms it up
  const size_t before = server->ResidentBytes();
  for (size_t i = 0; i < kSessions; ++i) CreateSession(*stub, spec);
  const size_t after = server->ResidentBytes();
  const double weights = 4.0 * (64 * 32 + 32 + 32 * kClasses + kClasses);
  rows->push_back({"resident_bytes_per_idle_session",
                   static_cast<double>(after - before) / kSessions, "B",
                   "its weights", weights});
}

void Report(const std::vector<Row>& rows, const std::string& path) {
  nlohmann::json list = nlohmann::json::array();
  std::printf("%-32s %12s %-10s %12s %7s\n", "", "value", "unit", "peer",
              "ratio");
  for (const Row& row : rows) {
    nlohmann::json entry = {
        {"name", row.name}, {"value", row.value}, {"unit", row.unit}};
    if (row.peer.empty()) {
      std::printf("%-32s %12.1f %-10s\n", row.name.c_str(), row.value,
                  row.unit.c_str());
    } else {
      const double ratio = row.value / row.peer_value;
      entry["peer"] = row.peer;
      entry["peer_value"] = row.peer_value;
      entry["ratio"] = ratio;
      std::printf("%-32s %12.1f %-10s %12.1f %7.2f  %s\n", row.name.c_str(),
                  row.value, row.unit.c_str(), row.peer_value, ratio,
                  row.peer.c_str());
    }
    list.push_back(entry);
  }
  if (!path.empty()) std::ofstream(path) << list.dump(2) << "\n";
}

}  // namespace
}  // namespace backprop::testing

int main(int argc, char** argv) {
  using namespace backprop::testing;  // NOLINT(google-build-using-namespace)
  CLI::App app("Training over the wire beside a raw gRPC echo.");
  Servers programs;
  std::string json;
  app.add_option("--backpropd", programs.backpropd, "Path of backpropd")
      ->required();
  app.add_option("--echo-server", programs.echo, "Path of echo_server")
      ->required();
  app.add_option("--json", json, "Write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  std::vector<Row> rows;
  MeasureWire(programs, 1, &rows);
  MeasureWire(programs, 32, &rows);
  MeasureEngine(&rows);
  MeasureIdleSession(programs, &rows);
  Report(rows, json);
  return 0;
}
