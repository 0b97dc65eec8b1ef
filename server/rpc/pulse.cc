// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/pulse.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/ops/log.h"
#include "server/threads/mutex.h"

namespace backprop {
namespace {

using Clock = std::chrono::steady_clock;

void LogLateAnswer(std::chrono::duration<double> waited, bool answered) {
  Log(LogLevel::kWarning,
      answered ? "gRPC answers itself again" : "gRPC does not answer itself",
      {{"seconds", waited.count()}});
}

}  // namespace

// One call of grpc.health.v1.Health/Check for service "", whose request is an
// empty message.
struct Pulse::Check {
  grpc::ClientContext context;
  grpc::Slice nothing;
  grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer response;
};

// Keeps as long as the process what gRPC has not answered: nobody could let go
// of it but a callback. Pulses of several servers may come here at once.
void Pulse::KeepForGood(std::unique_ptr<Check> check) {
  static auto& mutex = *new Mutex;
  static auto& kept = *new std::vector<std::unique_ptr<Check>>;
  MutexLock lock(mutex);
  kept.push_back(std::move(check));
}

// With gRPC's callbacks, which may come after the pulse.
struct Pulse::Shared {
  // The check under way has its answer. On a thread of gRPC's.
  void Answer() {
    MutexLock lock(mutex);
    answered = true;
    changed.NotifyAll();
  }

  // Whether it was answered or the pulse stops, by then.
  bool AwaitOver(Clock::time_point deadline) {
    MutexLock lock(mutex);
    while (!answered && !stopping && changed.WaitUntil(mutex, deadline)) {
    }
    return answered || stopping;
  }

  // Whether it was answered by then.
  bool AwaitAnswer(Clock::time_point deadline) {
    MutexLock lock(mutex);
    while (!answered && changed.WaitUntil(mutex, deadline)) {
    }
    return answered;
  }

  Mutex mutex;
  CondVar changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool answered ABSL_GUARDED_BY(mutex) = false;
};

Pulse::Pulse(std::shared_ptr<grpc::Channel> channel, PulseOptions options,
             OnLate on_late)
    : channel_(std::move(channel)),
      options_(options),
      on_late_(std::move(on_late)),
      shared_(std::make_shared<Shared>()),
      thread_([this] { Run(); }) {}

Pulse::Pulse(std::shared_ptr<grpc::Channel> channel)
    : Pulse(std::move(channel), PulseOptions(), LogLateAnswer) {}

Pulse::~Pulse() {
  {
    MutexLock lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->changed.NotifyAll();
  thread_.join();
}

void Pulse::Run() {
  bool stopping = false;
  while (!stopping) {
    CheckOnce();
    const auto next = Clock::now() + options_.interval;
    MutexLock lock(shared_->mutex);
    while (!shared_->stopping &&
           shared_->changed.WaitUntil(shared_->mutex, next)) {
    }
    stopping = shared_->stopping;
  }
}

void Pulse::CheckOnce() {
  auto check = std::make_unique<Check>();
  {
    MutexLock lock(shared_->mutex);
    shared_->answered = false;
  }
  const auto sent = Clock::now();
  // Whatever the status: that there is one shows that the threads run. The
  // callback does not have the check, whose context has the channel: where a
  // callback lets go of the last of all channels and servers, gRPC 1.51 joins
  // the thread that this is, and aborts ("prior > 0" in ref_counted.h).
  grpc::GenericStub(channel_).UnaryCall(
      &check->context, "/grpc.health.v1.Health/Check", {}, &check->request,
      &check->response,
      [shared = shared_](const grpc::Status&) { shared->Answer(); });
  if (!shared_->AwaitOver(sent + options_.patience)) {
    on_late_(Clock::now() - sent, false);
    while (!shared_->AwaitOver(Clock::now() + options_.patience)) {
    }
    if (shared_->AwaitAnswer(Clock::now())) on_late_(Clock::now() - sent, true);
  }
  if (!shared_->AwaitAnswer(Clock::now() + options_.last_answer)) {
    KeepForGood(std::move(check));
  }
}

}  // namespace backprop
