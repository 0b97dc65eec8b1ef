// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/pulse.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "server/ops/log.h"

namespace backprop {
namespace {

// How long a pulse that ends lets its last call be answered before it cancels
// it: gRPC 1.51's in-process transport may abort the process where a
// cancellation meets the answer ("prior > 0" in ref_counted.h).
constexpr std::chrono::milliseconds kLastAnswer{200};

using Clock = std::chrono::steady_clock;

void LogLateAnswer(std::chrono::duration<double> waited, bool answered) {
  Log(LogLevel::kWarning,
      answered ? "gRPC answers itself again" : "gRPC does not answer itself",
      {{"seconds", waited.count()}});
}

}  // namespace

// Outlives the pulse if a callback comes late.
struct Pulse::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;  // guarded by mutex
};

// One call of grpc.health.v1.Health/Check for service "", whose request is an
// empty message.
struct Pulse::Check {
  grpc::ClientContext context;
  grpc::Slice nothing;
  grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer response;
  bool answered = false;  // guarded by Shared::mutex
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
    std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->changed.notify_all();
  thread_.join();
}

void Pulse::Run() {
  bool stopping = false;
  while (!stopping) {
    CheckOnce();
    std::unique_lock lock(shared_->mutex);
    stopping = shared_->changed.wait_for(lock, options_.interval,
                                         [this] { return shared_->stopping; });
  }
}

void Pulse::CheckOnce() {
  const auto check = std::make_shared<Check>();
  const auto sent = Clock::now();
  // Whatever the status: that there is one shows that the threads run.
  grpc::GenericStub(channel_).UnaryCall(
      &check->context, "/grpc.health.v1.Health/Check", {}, &check->request,
      &check->response, [check, shared = shared_](const grpc::Status&) {
        std::lock_guard lock(shared->mutex);
        check->answered = true;
        shared->changed.notify_all();
      });
  const auto over = [&] { return check->answered || shared_->stopping; };
  std::unique_lock lock(shared_->mutex);
  if (!shared_->changed.wait_for(lock, options_.patience, over)) {
    lock.unlock();
    on_late_(Clock::now() - sent, false);
    lock.lock();
    shared_->changed.wait(lock, over);
    if (check->answered) {
      lock.unlock();
      on_late_(Clock::now() - sent, true);
      lock.lock();
    }
  }
  shared_->changed.wait_for(lock, kLastAnswer, [&] { return check->answered; });
  if (!check->answered) {
    lock.unlock();  // TryCancel may run the callback
    check->context.TryCancel();
  }
}

}  // namespace backprop
