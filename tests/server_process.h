// SPDX-License-Identifier: Apache-2.0
//
// A real program that serves, started as a child process: backpropd, or the
// benchmark's echo.
#ifndef BACKPROP_TESTS_SERVER_PROCESS_H_
#define BACKPROP_TESTS_SERVER_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace backprop::testing {

// Kills the child at destruction, should it still run.
class ServerProcess {
 public:
  // Runs program with the arguments and waits (30 s) for the JSON line with
  // "message":"serving" on its standard error. Returns nullptr, having printed
  // what the program said, if there is none.
  static std::unique_ptr<ServerProcess> Start(
      const std::string& program, const std::vector<std::string>& arguments);
  ~ServerProcess();

  pid_t pid() const { return pid_; }
  // From the serving line; empty if it has no such field.
  std::string grpc_address() const { return Field("grpc_address"); }
  std::string http_address() const { return Field("http_address"); }

  void Signal(int number) const;
  // The exit status as waitpid gives it, or nothing if it still runs after the
  // limit.
  std::optional<int> WaitForExit(std::chrono::milliseconds limit);

  // Bytes of resident memory now (VmRSS).
  size_t ResidentBytes() const;
  // Everything it wrote to standard error so far.
  std::string Log();

 private:
  ServerProcess() = default;
  void ReadLog(int pipe);
  std::string Field(const std::string& name) const;

  pid_t pid_ = -1;
  bool reaped_ = false;
  std::string serving_line_;  // constant once Start has returned
  std::thread reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string log_;         // guarded by mutex_
  bool log_ended_ = false;  // guarded by mutex_
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_PROCESS_H_
