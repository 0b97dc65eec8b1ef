// SPDX-License-Identifier: Apache-2.0
#include "tests/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

extern char** environ;

namespace backprop::testing {
namespace {

constexpr std::string_view kServing = "\"message\":\"serving\"";

// Starts the program with its standard error in a pipe. Returns its pid, or -1.
pid_t Spawn(const std::string& program,
            const std::vector<std::string>& arguments, int* read_end) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  pid_t pid = -1;
  if (posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(),
                  environ) != 0) {
    pid = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  *read_end = pipe_ends[0];
  return pid;
}

}  // namespace

std::unique_ptr<ServerProcess> ServerProcess::Start(
    const std::string& program, const std::vector<std::string>& arguments) {
  std::unique_ptr<ServerProcess> process(new ServerProcess);
  int read_end = -1;
  process->pid_ = Spawn(program, arguments, &read_end);
  if (process->pid_ < 0) {
    std::fprintf(stderr, "cannot start %s\n", program.c_str());
    if (read_end >= 0) close(read_end);
    return nullptr;
  }
  process->reader_ =
      std::thread([p = process.get(), read_end] { p->ReadLog(read_end); });
  std::unique_lock lock(process->mutex_);
  process->changed_.wait_for(lock, std::chrono::seconds(30), [&] {
    const size_t found = process->log_.find(kServing);
    return process->log_ended_ ||
           (found != std::string::npos &&
            process->log_.find('\n', found) != std::string::npos);
  });
  std::istringstream lines(process->log_);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(kServing) != std::string::npos) {
      process->serving_line_ = line;
      return process;
    }
  }
  std::fprintf(stderr, "%s did not serve; it said:\n%s\n", program.c_str(),
               process->log_.c_str());
  lock.unlock();
  return nullptr;
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0 && !reaped_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (reader_.joinable()) reader_.join();
}

void ServerProcess::Signal(int number) const { kill(pid_, number); }

std::optional<int> ServerProcess::WaitForExit(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  do {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      reaped_ = true;
      return status;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  } while (std::chrono::steady_clock::now() < deadline);
  return std::nullopt;
}

size_t ServerProcess::ResidentBytes() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    size_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib * 1024;
  }
  return 0;
}

std::string ServerProcess::Log() {
  std::lock_guard lock(mutex_);
  return log_;
}

void ServerProcess::ReadLog(int pipe) {
  char buffer[4096];
  for (ssize_t n; (n = read(pipe, buffer, sizeof buffer)) > 0;) {
    std::lock_guard lock(mutex_);
    log_.append(buffer, static_cast<size_t>(n));
    changed_.notify_all();
  }
  close(pipe);
  std::lock_guard lock(mutex_);
  log_ended_ = true;
  changed_.notify_all();
}

std::string ServerProcess::Field(const std::string& name) const {
  const std::string key = "\"" + name + "\":\"";
  const size_t begin = serving_line_.find(key);
  if (begin == std::string::npos) return "";
  const size_t value = begin + key.size();
  return serving_line_.substr(value, serving_line_.find('"', value) - value);
}

}  // namespace backprop::testing
