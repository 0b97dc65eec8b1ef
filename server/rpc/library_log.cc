// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/library_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <chrono>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>

#include "server/ops/log.h"

namespace backprop {
namespace {

LogLevel LevelOf(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_DEBUG:
      return LogLevel::kDebug;
    case GPR_LOG_SEVERITY_INFO:
      return LogLevel::kInfo;
    case GPR_LOG_SEVERITY_ERROR:
      return LogLevel::kWarning;  // it goes on all the same
  }
  return LogLevel::kWarning;
}

// A moment is left for the line to be written: it says why the process ends.
constexpr std::chrono::seconds kLastWords(1);

// The libraries' callbacks may not throw: without memory a line is lost.
void LogOf(std::string_view library, LogLevel level, std::string_view message,
           std::string_view file, int line) {
  try {
    Log(level, message,
        {{"library", library}, {"file", file}, {"line", int64_t{line}}});
    if (level == LogLevel::kError) FlushLog(kLastWords);
  } catch (const std::bad_alloc&) {
  }
}

// Which of them gRPC says at all is for GRPC_VERBOSITY to choose, as ever.
void LogOfGrpc(gpr_log_func_args* said) {
  const std::string_view message = said->message;
  const bool fatal = message.starts_with("assertion failed");
  LogOf("grpc", fatal ? LogLevel::kError : LevelOf(said->severity), message,
        said->file, said->line);
}

// Of all but what ends the process clients are the cause, with what they send:
// they are told, and can't fill the log.
void LogOfProtobuf(google::protobuf::LogLevel level, const char* file, int line,
                   const std::string& message) {
  const bool fatal = level == google::protobuf::LOGLEVEL_FATAL;
  LogOf("protobuf", fatal ? LogLevel::kError : LogLevel::kDebug, message, file,
        line);
}

}  // namespace

void TakeLibraryLogs() {
  gpr_set_log_function(&LogOfGrpc);
  google::protobuf::SetLogHandler(&LogOfProtobuf);
}

}  // namespace backprop
