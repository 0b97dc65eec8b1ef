// SPDX-License-Identifier: Apache-2.0
//
// What training over the wire costs: bytes a step, latency and throughput,
// beside a raw gRPC echo with messages of the same sizes, the engine in this
// process, JAX and FANN in processes of their own, and a Python service that
// does the same job with PyTorch. Rounds of all alternate; medians over them
// are reported. Server and client have all cores, by the clock; the peers
// without a wire have one core each, by its processor time.
#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_replace.h"
#include "client/cpp/replica.h"
#include "client/cpp/training_client.h"
#include "engine/random/initialiser.h"
#include "engine/training/trainer.h"
#include "tests/benchmark/byte_stream.h"
#include "tests/benchmark/figures.h"
#include "tests/benchmark/own_kernels.h"
#include "tests/benchmark/remote.h"

namespace backprop::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;
constexpr int kPings = 2000;        // a round
constexpr size_t kSamples = 40000;  // a pipelined round
const std::vector<uint32_t> kSizes = {784, 128, 10};
constexpr char kJaxName[] = "jax in process, one core";
constexpr std::array<const char*, 2> kInputNames = {"uint8", "float32"};

struct Programs {
  std::string backpropd;
  std::string echo;
  std::string python;
  std::string fann;
  std::string jax_python;
  std::string jax;
};

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
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
double Pipelined(ByteStream& stream, const std::string& message, size_t n,
                 size_t samples) {
  const auto start = Clock::now();
  Require(stream.Send(message, samples / n, n == 1 ? 256 : 16),
          "stream broke in pipelining");
  return static_cast<double>(samples) / Seconds(start);
}

// Samples a second of the engine alone, in this process, n a call.
class EngineAlone {
 public:
  explicit EngineAlone(size_t n)
      : network_{.input_size = kSizes[0],
                 .layers = {{kSizes[1], Activation::kRelu},
                            {kSizes[2], Activation::kSoftmax}},
                 .loss = Loss::kCrossEntropy},
        layout_(Layout::Create(kSizes[0],
                               std::vector<size_t>{kSizes[1], kSizes[2]}, 1,
                               size_t{1} << 20)
                    .value()),
        rate_(Schedule{.learning_rate = 0.002F}),
        weights_(layout_.weight_count()),
        inputs_(n * kSizes[0]),
        targets_(n * kSizes[2]),
        errors_(n),
        deltas_(n * layout_.delta_row_length()) {
    Initialise({}, layout_, weights_);
    const std::string bytes =
        TrainMessage(ClassifierSpec(kSizes, v1::ELEMENT_TYPE_UINT8), n)
            .inputs();
    for (size_t i = 0; i < bytes.size(); ++i) {
      inputs_[i] = static_cast<float>(static_cast<uint8_t>(bytes[i])) / 255;
    }
    for (size_t i = 0; i < n; ++i) targets_[i * kSizes[2] + i % kSizes[2]] = 1;
  }

  double SamplesPerSecond() {
    const Training training{.network = &network_,
                            .layout = &layout_,
                            .optimiser = &optimiser_,
                            .rate = &rate_};
    const auto start = Clock::now();
    for (size_t done = 0; done < kSamples; done += errors_.size()) {
      trainer_.Train(training, {.inputs = inputs_,
                                .targets = targets_,
                                .weights = weights_,
                                .errors = errors_,
                                .deltas = deltas_});
    }
    return static_cast<double>(kSamples) / Seconds(start);
  }

 private:
  const NetworkSpec network_;
  const Layout layout_;
  const Optimiser optimiser_;
  const LearningRate rate_;
  std::vector<float> weights_, inputs_, targets_, errors_, deltas_;
  Trainer trainer_;
};

// For a shell: that word, whatever is in it.
std::string Quoted(const std::string& word) {
  return "'" + absl::StrReplaceAll(word, {{"'", "'\\''"}}) + "'";
}

// Samples a second of a driver (driver.h) that is asked one question;
// interpreter: what runs it, may be empty. It has one core, as in
// engine_benchmark.py: on two, JAX takes twice the processor time.
double InProcess(const std::string& interpreter, const std::string& driver,
                 const std::string& question) {
  const std::string command =
      "echo " + Quoted(question) + " | taskset --cpu-list 0 " +
      (interpreter.empty() ? "" : Quoted(interpreter) + " ") + Quoted(driver);
  FILE* const pipe = popen(command.c_str(), "r");
  Require(pipe != nullptr, "cannot run " + driver);
  double rate = 0;
  const bool read = std::fscanf(pipe, "%lf", &rate) == 1;
  pclose(pipe);
  Require(read && rate > 0, driver + " did not answer");
  return rate;
}

// Samples a second by the client library: a writer that sends ahead, a reader
// that applies every answer to its replica.
double Replicated(TrainingClient& client, const v1::Session& session,
                  size_t n) {
  auto anchor = client.DownloadWeights(session.session_id());
  Require(anchor.ok(), "no weights");
  auto replica = Replica::Create(session, *std::move(anchor));
  Require(replica.ok(), "no replica");
  auto stream = client.OpenTrain(session.session_id());
  Require(stream.ok(), "Train did not open");
  const v1::TrainRequest message = TrainMessage(session.spec(), n);
  const auto start = Clock::now();
  std::thread writer([&] {
    for (size_t sent = 0; sent < kSamples; sent += n) {
      if (!(*stream)->Send(message)) break;
    }
    (*stream)->CloseSending();
  });
  TrainAnswer answer;
  while ((*stream)->Next(&answer)) {
    Require(replica->Apply(answer.response, answer.inputs).ok(),
            "the replica refused an answer");
  }
  writer.join();
  const double seconds = Seconds(start);
  Require((*stream)->Finish().ok(), "Train did not end well");
  auto end = client.DownloadWeights(session.session_id());
  Require(end.ok() && replica->Verify(*end).ok(), "the replica differs");
  return static_cast<double>(kSamples) / seconds;
}

// Steps a second of a replica alone: what it can take.
double ReplicaAlone(TrainingClient& client, v1::TrainingService::Stub& stub) {
  const v1::Session session =
      CreateSession(stub, ClassifierSpec(kSizes, v1::ELEMENT_TYPE_UINT8));
  auto replica =
      Replica::Create(session, *client.DownloadWeights(session.session_id()));
  auto stream = client.OpenTrain(session.session_id());
  Require(replica.ok() && stream.ok(), "no stream");
  constexpr size_t kMessages = 200;
  std::vector<TrainAnswer> answers(kMessages);
  for (TrainAnswer& answer : answers) {
    Require((*stream)->Send(TrainMessage(session.spec(), 32)) &&
                (*stream)->Next(&answer),
            "stream broke");
  }
  const auto start = Clock::now();
  for (const TrainAnswer& answer : answers) {
    Require(replica->Apply(answer.response, answer.inputs).ok(), "refused");
  }
  return 32 * kMessages / Seconds(start);
}

// Latency and throughput of n samples a message, all contestants in turns.
void MeasureStream(const Programs& programs, size_t n,
                   std::vector<Figure>* figures) {
  const auto server = StartBackpropd(programs.backpropd);
  const auto echo = StartServer(programs.echo, {});
  const auto python = StartServer(programs.python, {});
  const auto channel = Connect(*server);
  const auto stub = v1::TrainingService::NewStub(channel);
  const v1::SessionSpec spec = ClassifierSpec(kSizes, v1::ELEMENT_TYPE_UINT8);
  const std::string message = TrainMessage(spec, n).SerializeAsString();

  const char* const method = "/backprop.v1.TrainingService/Train";
  const v1::Session session = CreateSession(*stub, spec);
  ByteStream train(channel, method);
  Require(train.Send(OpeningMessage(session.session_id(), {}), 1, 1) &&
              train.Send(message, 1, 1),
          "Train did not open");
  const v1::Session merged_session = CreateSession(*stub, spec);
  ByteStream merged(Connect(*server), method);
  v1::TrainOptions coalesced;
  coalesced.set_coalesce(true);
  Require(
      merged.Send(OpeningMessage(merged_session.session_id(), coalesced), 1, 1),
      "Train did not open");
  ByteStream raw(Connect(*echo),
                 "/echo/" + std::to_string(train.answer_bytes()));
  Require(raw.Send(message, 1, 1), "echo failed");
  Require(raw.answer_bytes() == train.answer_bytes(), "sizes differ");
  ByteStream peer(Connect(*python), "/peer.Trainer/Train");
  const v1::TrainRequest request = TrainMessage(spec, n);
  std::string peer_message = request.inputs();
  for (const uint32_t c : request.classes()) {
    peer_message.push_back(static_cast<char>(c));
  }
  TrainingClient client(Connect(*server));
  EngineAlone engine(n);

  std::vector<double> ping, raw_ping, pipe, merged_pipe, raw_pipe, python_pipe,
      in_process, fann, jax, replicated, replica;
  for (int round = 0; round < kRounds; ++round) {
    ping.push_back(PingPong(train, message));
    raw_ping.push_back(PingPong(raw, message));
    pipe.push_back(Pipelined(train, message, n, kSamples));
    merged_pipe.push_back(Pipelined(merged, message, n, kSamples));
    raw_pipe.push_back(Pipelined(raw, message, n, kSamples));
    python_pipe.push_back(Pipelined(peer, peer_message, n, 32 * n));
    in_process.push_back(engine.SamplesPerSecond());
    fann.push_back(InProcess("", programs.fann, "784-128-10 1 sgd 1"));
    replicated.push_back(Replicated(client, CreateSession(*stub, spec), n));
    if (n == 1) continue;
    jax.push_back(InProcess(programs.jax_python, programs.jax,
                            "classifier:784-128-10 1 sgd 1"));
    replica.push_back(ReplicaAlone(client, *stub));
  }
  const std::string name = "stream/784-128-10/" + std::to_string(n);
  const char* const echo_name = "raw gRPC echo, same sizes";
  const auto add = [&](const std::string& what, std::vector<double>& values,
                       const char* unit, const char* peer_name,
                       std::vector<double>& peer_values) {
    figures->push_back({name + "/" + what, Median(values), unit, peer_name,
                        Median(peer_values)});
  };
  add("ping-pong p50", ping, "us", echo_name, raw_ping);
  add("pipelined", pipe, "samples/s", echo_name, raw_pipe);
  add("pipelined, coalesced", merged_pipe, "samples/s", echo_name, raw_pipe);
  add("pipelined", pipe, "samples/s", "engine in process", in_process);
  add("replicated", replicated, "samples/s", "engine in process", in_process);
  add("replicated", replicated, "samples/s", "fann in process", fann);
  add("replicated", replicated, "samples/s", "python-pytorch-grpc",
      python_pipe);
  if (n > 1) {
    add("replicated", replicated, "samples/s", kJaxName, jax);
    add("replica alone", replica, "steps/s", "engine in process", in_process);
  }
}

// Throughput of steps of 256 samples, a step a message, of which the trainer
// wants no deltas.
void MeasureBatches(const Programs& programs, std::vector<Figure>* figures) {
  constexpr size_t kBatch = 256;
  constexpr size_t kBatchSamples = 1000 * kBatch;
  const auto server = StartBackpropd(programs.backpropd);
  const auto channel = Connect(*server);
  const auto stub = v1::TrainingService::NewStub(channel);
  v1::SessionSpec spec = ClassifierSpec(kSizes, v1::ELEMENT_TYPE_UINT8);
  spec.set_batch_size(kBatch);
  const v1::Session session = CreateSession(*stub, spec);
  const std::string message = TrainMessage(spec, kBatch).SerializeAsString();
  v1::TrainOptions options;
  options.set_deltas(v1::DELTA_DETAIL_NONE);
  ByteStream train(channel, "/backprop.v1.TrainingService/Train");
  Require(train.Send(OpeningMessage(session.session_id(), options), 1, 1),
          "Train did not open");
  std::vector<double> pipe, jax;
  for (int round = 0; round < kRounds; ++round) {
    pipe.push_back(Pipelined(train, message, kBatch, kBatchSamples));
    jax.push_back(InProcess(programs.jax_python, programs.jax,
                            "classifier:784-128-10 256 sgd 1"));
  }
  figures->push_back({"stream/784-128-10/batch256/no deltas", Median(pipe),
                      "samples/s", kJaxName, Median(jax)});
}

// Bytes a step of what a trainer gets back, and of what a watcher gets.
void MeasureBytes(const Programs& programs, std::vector<Figure>* figures) {
  const auto server = StartBackpropd(programs.backpropd);
  const auto channel = Connect(*server);
  const auto stub = v1::TrainingService::NewStub(channel);
  TrainingClient client(channel);
  constexpr size_t kSteps = 32;
  for (const std::vector<uint32_t>& sizes :
       {std::vector<uint32_t>{64, 32, 10}, kSizes, {784, 512, 512, 10}}) {
    for (const char* inputs : kInputNames) {
      const v1::Session session = CreateSession(
          *stub, ClassifierSpec(sizes, inputs == kInputNames[0]
                                           ? v1::ELEMENT_TYPE_UINT8
                                           : v1::ELEMENT_TYPE_FLOAT32));
      const auto watch = client.Watch(session.session_id(), {.after_step = 0});
      v1::WatchDeltasResponse watched;
      Require(watch->Next(&watched), "nothing to watch");
      const auto train = client.OpenTrain(session.session_id());
      TrainAnswer answer;
      Require(
          train.ok() && (*train)->Send(TrainMessage(session.spec(), kSteps)),
          "Train did not open");
      size_t told = 0;
      do {
        Require((*train)->Next(&answer), "Train ended");
        told += answer.response.ByteSizeLong();
      } while (!answer.response.message_done());
      size_t seen = 0;
      while (watched.step() < kSteps) {
        Require(watch->Next(&watched), "the watch ended");
        seen += watched.ByteSizeLong();
      }
      const double dense =
          4.0 * static_cast<double>(session.layout().weight_count());
      std::string name = "wire";
      for (const uint32_t size : sizes) {
        name += (name == "wire" ? "/" : "-") + std::to_string(size);
      }
      name += std::string("/") + inputs;
      const auto a_step = [](size_t bytes) {
        return static_cast<double>(bytes) / kSteps;
      };
      figures->push_back({name + "/trainer", a_step(told), "B/step",
                          "dense weight delta", dense});
      figures->push_back({name + "/watcher", a_step(seen), "B/step",
                          "dense weight delta", dense});
    }
  }
}

}  // namespace
}  // namespace backprop::testing

int main(int argc, char** argv) {
  using namespace backprop::testing;  // NOLINT(google-build-using-namespace)
  LetOpenBlasChoose(argv);
  CLI::App app("Training over the wire beside what it could cost.");
  Programs programs;
  std::string json;
  app.add_option("--backpropd", programs.backpropd, "Path of backpropd")
      ->required();
  app.add_option("--echo-server", programs.echo, "Path of echo_server")
      ->required();
  app.add_option("--pytorch-service", programs.python,
                 "Path of pytorch_service.py")
      ->required();
  app.add_option("--fann-driver", programs.fann, "Path of fann_driver")
      ->required();
  app.add_option("--jax-python", programs.jax_python,
                 "Path of a Python that has JAX")
      ->required();
  app.add_option("--jax-driver", programs.jax, "Path of jax_driver.py")
      ->required();
  app.add_option("--json", json, "Write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  return RunBenchmark([&] {
    std::vector<Figure> figures;
    MeasureBytes(programs, &figures);
    MeasureStream(programs, 1, &figures);
    MeasureStream(programs, 32, &figures);
    MeasureBatches(programs, &figures);
    Report(KernelsOf(programs.backpropd), figures, json);
  });
}
