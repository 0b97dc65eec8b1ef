// SPDX-License-Identifier: Apache-2.0
//
// Many sessions at once: what an idle one and a streaming one cost in memory,
// whether all of those that stream get their share, and what is left when they
// are gone.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/benchmark/figures.h"
#include "tests/benchmark/own_kernels.h"
#include "tests/benchmark/remote.h"

namespace backprop::testing {
namespace {

using std::chrono::milliseconds;

constexpr size_t kSessions = 10'000;
constexpr size_t kStreams = 2'000;
constexpr size_t kConnections = 20;
constexpr size_t kSamplesAMessage = 32;
constexpr auto kTime = milliseconds(10'000);
const std::vector<uint32_t> kSizes = {64, 32, 10};

// A Train stream that always has two messages under way.
class Trainee final
    : public grpc::ClientBidiReactor<v1::TrainRequest, v1::TrainResponse> {
 public:
  Trainee(v1::TrainingService::Stub& stub, const v1::Session& session)
      : message_(TrainMessage(session.spec(), kSamplesAMessage)) {
    opening_.set_session_id(session.session_id());
    stub.async()->Train(&context_, this);
    StartRead(&response_);
    StartWrite(&opening_);
    AddHold();
    StartCall();
  }

  bool opened() const { return opened_; }
  size_t steps() const { return steps_; }

  void Go() {
    std::lock_guard lock(mutex_);
    going_ = true;
    for (int i = 0; i < 2; ++i) WriteLocked();
  }

  // Half-closes once what is under way is answered; returns at the end.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      going_ = false;
    }
    while (owed_ != 0) std::this_thread::sleep_for(milliseconds(1));
    StartWritesDone();
    RemoveHold();
    while (!done_) std::this_thread::sleep_for(milliseconds(1));
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    steps_ += response_.step() - response_.base_step();
    if (!opened_) {
      opened_ = true;
    } else if (response_.message_done()) {
      std::lock_guard lock(mutex_);
      --owed_;
      if (going_) WriteLocked();
    }
    StartRead(&response_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok && wanted_ > 0) {
      --wanted_;
      StartMessageLocked();
    }
  }

  void OnDone(const grpc::Status&) override { done_ = true; }

  // REQUIRE mutex_.
  void WriteLocked() {
    ++owed_;
    if (writing_) {
      ++wanted_;
    } else {
      StartMessageLocked();
    }
  }
  void StartMessageLocked() {
    writing_ = true;
    StartWrite(&message_);
  }

  grpc::ClientContext context_;
  v1::TrainRequest opening_;
  const v1::TrainRequest message_;
  v1::TrainResponse response_;
  std::atomic<bool> opened_ = false;
  std::atomic<bool> done_ = false;
  std::atomic<size_t> steps_ = 0;
  std::atomic<size_t> owed_ = 0;
  std::mutex mutex_;
  bool writing_ = true;  // guarded by mutex_, as what follows
  bool going_ = false;
  size_t wanted_ = 0;
};

void Await(const std::function<bool()>& condition, const std::string& what) {
  for (int i = 0; i < 60'000; ++i) {
    if (condition()) return;
    std::this_thread::sleep_for(milliseconds(1));
  }
  Require(false, what);
}

// Steps that each of the first `count` sessions makes in kTime.
std::vector<double> StepsOf(std::vector<std::unique_ptr<Trainee>>& trainees,
                            size_t count) {
  std::vector<double> before;
  for (size_t i = 0; i < count; ++i) trainees[i]->Go();
  std::this_thread::sleep_for(milliseconds(1000));  // until all are under way
  for (size_t i = 0; i < count; ++i) {
    before.push_back(static_cast<double>(trainees[i]->steps()));
  }
  std::this_thread::sleep_for(kTime);
  std::vector<double> steps;
  for (size_t i = 0; i < count; ++i) {
    steps.push_back(static_cast<double>(trainees[i]->steps()) - before[i]);
  }
  return steps;
}

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

std::vector<Figure> Measure(const std::string& backpropd) {
  const auto server = StartServer(
      backpropd, {"--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0",
                  "--max-sessions=20000"});
  std::vector<std::unique_ptr<v1::TrainingService::Stub>> stubs;
  for (size_t i = 0; i < kConnections; ++i) {
    stubs.push_back(v1::TrainingService::NewStub(Connect(*server)));
  }
  const v1::SessionSpec spec = ClassifierSpec(kSizes, v1::ELEMENT_TYPE_FLOAT32);
  const auto resident = [&] {
    return static_cast<double>(server->ResidentBytes());
  };
  const double fresh = resident();
  std::vector<v1::Session> sessions;
  for (size_t i = 0; i < kSessions; ++i) {
    sessions.push_back(CreateSession(*stubs[i % kConnections], spec));
  }
  const double weights =
      4.0 * static_cast<double>(sessions[0].layout().weight_count());
  const double idle = resident();

  std::vector<std::unique_ptr<Trainee>> alone;
  alone.push_back(std::make_unique<Trainee>(*stubs[0], sessions.back()));
  Await([&] { return alone[0]->opened(); }, "Train did not open");
  const double best = Sum(StepsOf(alone, 1));
  alone[0]->Stop();

  const double before_streams = resident();
  std::vector<std::unique_ptr<Trainee>> trainees;
  for (size_t i = 0; i < kStreams; ++i) {
    trainees.push_back(
        std::make_unique<Trainee>(*stubs[i % kConnections], sessions[i]));
  }
  for (const auto& trainee : trainees) {
    Await([&] { return trainee->opened(); }, "a stream did not open");
  }
  const std::vector<double> steps = StepsOf(trainees, kStreams);
  const double streaming = resident();
  for (const auto& trainee : trainees) trainee->Stop();
  for (size_t i = 0; i < kSessions; ++i) {
    grpc::ClientContext context;
    v1::DeleteSessionRequest request;
    request.set_session_id(sessions[i].session_id());
    v1::DeleteSessionResponse response;
    Require(stubs[i % kConnections]
                ->DeleteSession(&context, request, &response)
                .ok(),
            "DeleteSession failed");
  }
  std::this_thread::sleep_for(milliseconds(2000));
  const double mean = Sum(steps) / kStreams;
  const double seconds = std::chrono::duration<double>(kTime).count();
  return {
      {"crowd/idle session beyond its weights",
       (idle - fresh) / kSessions - weights, "B", "", 0},
      {"crowd/streaming session more", (streaming - before_streams) / kStreams,
       "B", "", 0},
      {"crowd/slowest of 2000 streams",
       *std::min_element(steps.begin(), steps.end()) / seconds, "samples/s",
       "their mean", mean / seconds},
      {"crowd/2000 streams together", Sum(steps) / seconds, "samples/s",
       "one stream alone", best / seconds},
      {"crowd/resident after all are deleted", resident(), "B", "fresh server",
       fresh},
  };
}

}  // namespace
}  // namespace backprop::testing

int main(int argc, char** argv) {
  using namespace backprop::testing;  // NOLINT(google-build-using-namespace)
  LetOpenBlasChoose(argv);
  CLI::App app("Ten thousand sessions, two thousand streams.");
  std::string backpropd;
  std::string json;
  app.add_option("--backpropd", backpropd, "Path of backpropd")->required();
  app.add_option("--json", json, "Write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  return RunBenchmark(
      [&] { Report(KernelsOf(backpropd), Measure(backpropd), json); });
}
