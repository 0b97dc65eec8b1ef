// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/pulse.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/mutex.h"
#include "server/ops/log.h"

namespace backprop {
namespace {

using Clock = std::chrono::steady_clock;

void LogLateAnswer(std::chrono::duration<double> waited, bool answered) {
  Log(LogLevel::kWarning,
      answered ? "gRPC answers itself again" : "gRPC does not answer itself",
      {{"seconds", waited.count()}});
}

}  // namespace

// Outlives the pulse if a callback comes late.
struct Pulse::Shared {
  Mutex mutex;
  CondVar changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

// One call of grpc.health.v1.Health/Check for service "", whose request is an
// empty message.
struct Pulse::Check {
  explicit Check(std::shared_ptr<Shared> pulse) : shared(std::move(pulse)) {}

  void Answer() {
    MutexLock lock(shared->mutex);
    answered = true;
    shared->changed.NotifyAll();
  }

  // Whether it was answered or the pulse stops, by then.
  bool AwaitOver(Clock::time_point deadline) {
    MutexLock lock(shared->mutex);
    while (!answered && !shared->stopping &&
           shared->changed.WaitUntil(shared->mutex, deadline)) {
    }
    return answered || shared->stopping;
  }

  // Whether it was answered by then.
  bool AwaitAnswer(Clock::time_point deadline) {
    MutexLock lock(shared->mutex);
    while (!answered && shared->changed.WaitUntil(shared->mutex, deadline)) {
    }
    return answered;
  }

  const std::shared_ptr<Shared> shared;
  grpc::ClientContext context;
  grpc::Slice nothing;
  grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer response;
  bool answered ABSL_GUARDED_BY(shared->mutex) = false;
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
  const auto check = std::make_shared<Check>(shared_);
  const auto sent = Clock::now();
  // Whatever the status: that there is one shows that the threads run.
  grpc::GenericStub(channel_).UnaryCall(
      &check->context, "/grpc.health.v1.Health/Check", {}, &check->request,
      &check->response, [check](const grpc::Status&) { check->Answer(); });
  if (!check->AwaitOver(sent + options_.patience)) {
    on_late_(Clock::now() - sent, false);
    while (!check->AwaitOver(Clock::now() + options_.patience)) {
    }
    if (check->AwaitAnswer(Clock::now())) on_late_(Clock::now() - sent, true);
  }
  check->AwaitAnswer(Clock::now() + options_.last_answer);
}

}  // namespace backprop
