// SPDX-License-Identifier: Apache-2.0
//
// gRPC 1.51's callback threads poll for a second, then sleep for 100 ms at a
// time; a request that meets them asleep waits. A health check that the server
// sends to itself every 400 ms keeps them awake, and shows whether they answer.
#ifndef BACKPROP_SERVER_RPC_PULSE_H_
#define BACKPROP_SERVER_RPC_PULSE_H_

#include <grpcpp/channel.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

namespace backprop {

struct PulseOptions {
  std::chrono::milliseconds interval{400};
  // After so long without an answer it is called late.
  std::chrono::milliseconds patience{1000};
  // How long a pulse that ends waits for the answer under way.
  std::chrono::milliseconds last_answer{1000};
};

class Pulse {
 public:
  // Told from the pulse's thread: that the answer to a check is late, then once
  // more when it has come. waited: since the check was sent.
  using OnLate =
      std::function<void(std::chrono::duration<double> waited, bool answered)>;

  // channel: to the server itself. One check is under way at a time.
  Pulse(std::shared_ptr<grpc::Channel> channel, PulseOptions options,
        OnLate on_late);

  // The same, and writes to the log what is late.
  explicit Pulse(std::shared_ptr<grpc::Channel> channel);

  // Joins when the check under way is answered, or late by last_answer: gRPC
  // does not answer itself then, and its channel stays for good. Before the
  // server is shut down, which closes the channel.
  ~Pulse();

  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

 private:
  struct Shared;
  struct Check;
  static void KeepForGood(std::unique_ptr<Check> check);
  void Run();
  // Returns when the check is answered or the pulse stops.
  void CheckOnce();

  // Constant after construction.
  const std::shared_ptr<grpc::Channel> channel_;
  const PulseOptions options_;
  const OnLate on_late_;
  const std::shared_ptr<Shared> shared_;  // with gRPC's callbacks

  std::thread thread_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_PULSE_H_
