// SPDX-License-Identifier: Apache-2.0
//
// backpropd: reads flags, starts the parts, waits for a signal, drains.
//
// Exit codes: 0 drained (or ready, for `healthcheck`; or sound, for `check`); 1
// could not start (or is not ready, has faults, is not exported); 2 wrong flags
// (or could not be looked at); 128 + signal when a second signal cut the drain
// short.
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "server/offline/check_data_dir.h"
#include "server/offline/export_session.h"
#include "server/offline/hold_data_dir.h"
#include "server/ops/http_endpoint.h"
#include "server/ops/log.h"
#include "server/ops/metrics.h"
#include "server/ops/readiness_check.h"
#include "server/options/flags.h"
#include "server/server.h"

namespace {

constexpr int kUsageError = 2;
constexpr int kNotChecked = 2;
constexpr int kSignalExit = 128;
// For the last lines of the log to be taken by whoever reads it.
constexpr std::chrono::seconds kLastWords(1);

std::string_view View(absl::string_view text) {
  return {text.data(), text.size()};
}

int FailedToStart(const absl::Status& status) {
  backprop::Log(backprop::LogLevel::kError, "could not start",
                {{"error", View(status.message())}});
  return EXIT_FAILURE;
}

void WarnOf(const std::vector<backprop::StrayVariable>& strays) {
  for (const backprop::StrayVariable& stray : strays) {
    backprop::Log(
        backprop::LogLevel::kWarning,
        stray.nearest.empty()
            ? "environment variable sets nothing: backpropd --help "
              "lists what can be set"
            : "environment variable sets nothing: is the nearest "
              "one meant?",
        {{"variable", View(stray.name)}, {"nearest", View(stray.nearest)}});
  }
}

int Check(const std::string& data_dir) {
  const auto found =
      backprop::CheckDataDir(data_dir, [](std::string_view fault) {
        std::cout << fault << std::endl;  // a long check is followed
      });
  if (!found.ok()) {
    std::cerr << "backpropd: " << found.status().message() << "\n";
    return kNotChecked;
  }
  std::cout << found->sessions << " sessions, " << found->checkpoints
            << " checkpoints, " << found->bytes << " bytes: ";
  if (found->faults == 0) {
    std::cout << "sound" << std::endl;
  } else {
    std::cout << found->faults << " faults" << std::endl;
  }
  if (!std::cout) {
    std::cerr << "backpropd: can't write to standard output\n";
    return kNotChecked;
  }
  return found->faults == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int Export(const backprop::Invocation& invocation) {
  const auto fail = [](const absl::Status& status, int code) {
    std::cerr << "backpropd: " << status.message() << "\n";
    return code;
  };
  const auto held =
      backprop::HoldDataDir(invocation.options.data_dir, "backpropd export");
  if (!held.ok()) return fail(held.status(), kNotChecked);
  const backprop::ExportFlags& flags = invocation.exported;
  const auto exported =
      backprop::ExportSession(*held, {.session_id = flags.session_id,
                                      .file = flags.file,
                                      .with_state = flags.with_state,
                                      .force = flags.force});
  if (absl::IsFailedPrecondition(exported.status())) {
    return fail(exported.status(), kNotChecked);
  }
  if (absl::IsAlreadyExists(exported.status())) {
    return fail(exported.status(), kUsageError);
  }
  if (!exported.ok()) return fail(exported.status(), EXIT_FAILURE);
  std::cout << exported->weights << " weights and " << exported->state
            << " numbers of state of step " << exported->step << ", digest "
            << absl::StrFormat("%016x", exported->digest) << std::endl;
  return EXIT_SUCCESS;
}

int WaitForSignal(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

// signals: those that end the server, blocked in all threads.
int Serve(const backprop::ServerOptions& options, const sigset_t& signals) {
  using backprop::Log;
  using backprop::LogLevel;
  backprop::Metrics metrics;
  auto server = backprop::Server::Start(options, &metrics);
  if (!server.ok()) return FailedToStart(server.status());
  auto http = backprop::HttpEndpoint::Start(
      options.http_address, metrics,
      [running = server->get()] { return running->ready(); });
  if (!http.ok()) return FailedToStart(http.status());
  const backprop::ComputeLabels& labels = (*server)->compute_labels();
  Log(LogLevel::kInfo, "serving",
      {{"version", std::string_view(BACKPROP_VERSION)},
       {"blas", View(labels.blas)},
       {"blas_kernels", View(labels.blas_kernels)},
       {"instruction_set", View(labels.instruction_set)},
       {"grpc_address", View((*server)->grpc_address())},
       {"http_address", View((*http)->address())}});

  const int signal = WaitForSignal(signals);
  Log(LogLevel::kInfo, "draining",
      {{"signal", std::string_view(strsignal(signal))}});
  // Not left to the default action: the kernel ignores that for process 1,
  // which this is in a container.
  std::thread([&signals] {
    std::_Exit(kSignalExit + WaitForSignal(signals));
  }).detach();
  (*server)->Drain();
  http->reset();  // last, so that /readyz says "not ready" during the drain
  server->reset();
  Log(LogLevel::kInfo, "stopped");
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const absl::StatusOr<backprop::Invocation> invocation =
      backprop::ParseFlags(argc, argv);
  if (!invocation.ok()) {
    std::cerr << "backpropd: " << invocation.status().message()
              << "\nSee backpropd --help.\n";
    return kUsageError;
  }
  // Debian's abseil looks for lock cycles at each lock, in gRPC's code too.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // A peer that hangs up is an error of one write, not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  switch (invocation->command) {
    case backprop::Command::kPrintAndExit:
      std::cout << invocation->text;
      return EXIT_SUCCESS;
    case backprop::Command::kHealthcheck: {
      const absl::Status status =
          backprop::CheckReadiness(invocation->options.http_address);
      if (status.ok()) return EXIT_SUCCESS;
      std::cerr << "backpropd: " << status.message() << "\n";
      return EXIT_FAILURE;
    }
    case backprop::Command::kCheck:
      return Check(invocation->options.data_dir);
    case backprop::Command::kExport:
      return Export(*invocation);
    case backprop::Command::kServe:
      break;
  }
  // Before any thread starts, because threads inherit the mask; taken by
  // sigwait, because almost nothing may be called in a signal handler. static:
  // the thread that waits for a second signal outlives Serve.
  static sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  backprop::SetLogLevel(invocation->options.log_level);
  WarnOf(invocation->strays);
  const int code = Serve(invocation->options, signals);
  backprop::FlushLog(kLastWords);
  return code;
}
