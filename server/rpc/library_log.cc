// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/library_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <cstdint>
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

// Which of them gRPC says at all is for GRPC_VERBOSITY to choose, as ever.
void LogOfGrpc(gpr_log_func_args* said) {
  Log(LevelOf(said->severity), said->message,
      {{"library", std::string_view("grpc")},
       {"file", std::string_view(said->file)},
       {"line", int64_t{said->line}}});
}

// Of all but what ends the process clients are the cause, with what they send:
// they are told, and can't fill the log.
void LogOfProtobuf(google::protobuf::LogLevel level, const char* file, int line,
                   const std::string& message) {
  const bool fatal = level == google::protobuf::LOGLEVEL_FATAL;
  Log(fatal ? LogLevel::kError : LogLevel::kDebug, message,
      {{"library", std::string_view("protobuf")},
       {"file", std::string_view(file)},
       {"line", int64_t{line}}});
}

}  // namespace

void TakeLibraryLogs() {
  gpr_set_log_function(&LogOfGrpc);
  google::protobuf::SetLogHandler(&LogOfProtobuf);
}

}  // namespace backprop
