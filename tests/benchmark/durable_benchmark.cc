// SPDX-License-Identifier: Apache-2.0
//
// What keeping a session costs: the same training in memory, durable, and with
// all its steps kept too, in turns on one server; what is written for a step;
// how long a server takes to serve with many stored, and one of them to come
// into memory.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/benchmark/byte_stream.h"
#include "tests/benchmark/figures.h"
#include "tests/benchmark/own_kernels.h"
#include "tests/benchmark/remote.h"

namespace backprop::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 7;
constexpr size_t kBlock = 32;         // samples a message
constexpr size_t kSamples = 100'000;  // a round
constexpr uint64_t kHistoryBytes = 1'000'000'000;
constexpr int kRestarts = 5;
constexpr int kStored = 10'000;  // sessions
constexpr int kFirstUses = 200;
constexpr size_t kMakers = 64;
const std::vector<uint32_t> kSizes = {784, 128, 10};

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

std::unique_ptr<ServerProcess> StartStored(const std::string& backpropd,
                                           const std::string& data_dir) {
  return StartServer(
      backpropd, {"--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0",
                  "--log-level=info", "--data-dir=" + data_dir});
}

// Bytes that the process has had written to the disk so far.
double WrittenBytes(const ServerProcess& process) {
  std::ifstream io("/proc/" + std::to_string(process.pid()) + "/io");
  std::string name;
  double bytes = 0;
  while (io >> name >> bytes) {
    if (name == "write_bytes:") return bytes;
  }
  throw std::runtime_error("no write_bytes in /proc");
}

v1::Session Get(v1::TrainingService::Stub& stub, const v1::Session& session) {
  grpc::ClientContext context;
  v1::GetSessionRequest request;
  request.set_session_id(session.session_id());
  v1::GetSessionResponse response;
  Require(stub.GetSession(&context, request, &response).ok(), "GetSession");
  return response.session();
}

// Seconds until all that was done is durable.
double AwaitDurable(v1::TrainingService::Stub& stub,
                    const v1::Session& session) {
  const auto start = Clock::now();
  while (true) {
    const v1::Session now = Get(stub, session);
    if (now.durable_step() == now.step()) return Seconds(start);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// A session and a stream that trains it.
struct Trained {
  Trained(const ServerProcess& server, v1::TrainingService::Stub& stub,
          v1::DurabilityMode mode, const v1::History& history = {})
      : stream(Connect(server), "/backprop.v1.TrainingService/Train") {
    v1::SessionSpec spec = ClassifierSpec(kSizes, v1::ELEMENT_TYPE_UINT8);
    spec.mutable_durability()->set_mode(mode);
    if (history.ByteSizeLong() != 0) *spec.mutable_history() = history;
    session = CreateSession(stub, spec);
    message = TrainMessage(spec, kBlock).SerializeAsString();
    Require(stream.Send(OpeningMessage(session.session_id(), {}), 1, 1) &&
                stream.Send(message, 100, 16),
            "Train did not open");
  }

  double SamplesPerSecond() {
    const auto start = Clock::now();
    Require(stream.Send(message, kSamples / kBlock, 16), "the stream broke");
    return static_cast<double>(kSamples) / Seconds(start);
  }

  v1::Session session;
  ByteStream stream;
  std::string message;
};

void MeasureTraining(const std::string& backpropd, const std::string& data_dir,
                     std::vector<Figure>* figures) {
  const auto server = StartStored(backpropd, data_dir);
  const auto stub = v1::TrainingService::NewStub(Connect(*server));
  Trained memory(*server, *stub, v1::DURABILITY_MODE_MEMORY);
  Trained durable(*server, *stub, v1::DURABILITY_MODE_DURABLE);
  std::vector<double> in_memory, kept, lag, written;
  for (int round = 0; round < kRounds; ++round) {
    in_memory.push_back(memory.SamplesPerSecond());
    const double before = WrittenBytes(*server);
    const auto start = Clock::now();
    kept.push_back(durable.SamplesPerSecond());
    lag.push_back(AwaitDurable(*stub, durable.session) * 1e3);
    written.push_back((WrittenBytes(*server) - before) / Seconds(start) / 1e6);
  }
  const std::string name = "durable/784-128-10/32/";
  figures->push_back({name + "pipelined", Median(kept), "samples/s",
                      "the same in memory", Median(in_memory)});
  figures->push_back({name + "written", Median(written), "MB/s", "", 0});
  figures->push_back({name + "end to durable", Median(lag), "ms", "", 0});
}

// The same with a history so long that the disk has room for it, and its oldest
// steps go.
void MeasureHistory(const std::string& backpropd, const std::string& data_dir,
                    std::vector<Figure>* figures) {
  const auto server = StartStored(backpropd, data_dir);
  const auto stub = v1::TrainingService::NewStub(Connect(*server));
  v1::History history;
  history.set_max_bytes(kHistoryBytes);
  Trained memory(*server, *stub, v1::DURABILITY_MODE_MEMORY);
  Trained kept(*server, *stub, v1::DURABILITY_MODE_DURABLE, history);
  std::vector<double> in_memory, with_history, written, steps;
  for (int round = 0; round < kRounds; ++round) {
    in_memory.push_back(memory.SamplesPerSecond());
    const double before = WrittenBytes(*server);
    const auto start = Clock::now();
    with_history.push_back(kept.SamplesPerSecond());
    AwaitDurable(*stub, kept.session);
    written.push_back((WrittenBytes(*server) - before) / Seconds(start) / 1e6);
    const v1::Session now = Get(*stub, kept.session);
    steps.push_back(static_cast<double>(now.step() - now.history_first_step()));
  }
  const std::string name = "durable/784-128-10/32/history/";
  figures->push_back({name + "pipelined", Median(with_history), "samples/s",
                      "the same in memory", Median(in_memory)});
  figures->push_back({name + "written", Median(written), "MB/s", "", 0});
  // Where the disk can't follow, history begins anew, and has few.
  figures->push_back({name + "kept", Median(steps), "steps", "", 0});
}

// Seconds that it takes to predict one row.
double Predict(v1::TrainingService::Stub& stub, const std::string& id,
               uint32_t inputs) {
  v1::PredictRequest request;
  request.set_session_id(id);
  request.mutable_values()->Resize(static_cast<int>(inputs), 0.5F);
  v1::PredictResponse response;
  grpc::ClientContext context;
  const auto start = Clock::now();
  Require(stub.Predict(&context, request, &response).ok(), "Predict");
  return Seconds(start);
}

// Made by many at once, who wait for one commit together.
std::vector<std::string> MakeSessions(const ServerProcess& server,
                                      const v1::SessionSpec& spec, int count) {
  std::vector<std::string> ids(static_cast<size_t>(count));
  std::vector<std::thread> makers;
  for (size_t maker = 0; maker < kMakers; ++maker) {
    makers.emplace_back([&, maker] {
      const auto stub = v1::TrainingService::NewStub(Connect(server));
      for (size_t i = maker; i < ids.size(); i += kMakers) {
        ids[i] = CreateSession(*stub, spec).session_id();
      }
    });
  }
  for (std::thread& maker : makers) maker.join();
  return ids;
}

void MeasureRecovery(const std::string& backpropd, const std::string& data_dir,
                     std::vector<Figure>* figures) {
  auto server = StartStored(backpropd, data_dir);
  MakeSessions(*server, ClassifierSpec({64, 32, 10}, v1::ELEMENT_TYPE_FLOAT32),
               kStored);
  std::vector<double> seconds;
  for (int i = 0; i < kRestarts; ++i) {
    server->Signal(SIGKILL);
    server->WaitForExit(std::chrono::seconds(10));
    const auto start = Clock::now();
    server = StartStored(backpropd, data_dir);
    seconds.push_back(Seconds(start));
  }
  figures->push_back({"durable/10,000 sessions 64-32-10/start to serving",
                      Median(seconds) * 1e3, "ms", "", 0});
}

// What the first use of a session that is in the store alone takes, and the
// next.
void MeasureFirstUse(const std::string& backpropd, const std::string& data_dir,
                     std::vector<Figure>* figures) {
  auto server = StartStored(backpropd, data_dir);
  const auto ids = MakeSessions(
      *server, ClassifierSpec(kSizes, v1::ELEMENT_TYPE_FLOAT32), kFirstUses);
  server->Signal(SIGTERM);
  server->WaitForExit(std::chrono::seconds(10));
  server = StartStored(backpropd, data_dir);
  const auto stub = v1::TrainingService::NewStub(Connect(*server));
  std::vector<double> first, next;
  for (const std::string& id : ids) {
    first.push_back(Predict(*stub, id, kSizes[0]));
    next.push_back(Predict(*stub, id, kSizes[0]));
  }
  figures->push_back({"durable/784-128-10/first use", Median(first) * 1e3, "ms",
                      "the next", Median(next) * 1e3});
}

}  // namespace
}  // namespace backprop::testing

int main(int argc, char** argv) {
  using namespace backprop::testing;  // NOLINT(google-build-using-namespace)
  LetOpenBlasChoose(argv);
  CLI::App app("What keeping sessions costs.");
  std::string backpropd;
  std::string data_dir;
  std::string json;
  app.add_option("--backpropd", backpropd, "Path of backpropd")->required();
  app.add_option("--data-dir", data_dir,
                 "Directory to make on the disk that is measured; removed")
      ->required();
  app.add_option("--json", json, "Write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  return RunBenchmark([&] {
    std::vector<Figure> figures;
    std::filesystem::remove_all(data_dir);
    MeasureTraining(backpropd, data_dir + "/training", &figures);
    MeasureHistory(backpropd, data_dir + "/history", &figures);
    MeasureRecovery(backpropd, data_dir + "/recovery", &figures);
    MeasureFirstUse(backpropd, data_dir + "/first_use", &figures);
    std::filesystem::remove_all(data_dir);
    Report(KernelsOf(backpropd), figures, json);
  });
}
