// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_RPC_TIMER_H_
#define BACKPROP_SERVER_RPC_TIMER_H_

#include <grpcpp/alarm.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace backprop {

// Calls back once, after a while, from a thread of gRPC's. One thread at a time
// has it; that may be the one called back.
class Timer {
 public:
  // Instead of what it was set to before, if that is still to come. due: may be
  // called, and be destroyed, after the object is gone.
  void Set(std::chrono::milliseconds delay, std::function<void()> due) {
    // A new one, for the one before may be what calls this.
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + delay,
                [due = std::move(due)](bool has_come) {
                  if (has_come) due();
                });
  }

 private:
  std::unique_ptr<grpc::Alarm> alarm_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_TIMER_H_
