// SPDX-License-Identifier: Apache-2.0
//
// JSON lines on standard error, one object a line: time (RFC 3339, UTC), level,
// message and the given fields. A thread of its own writes them: whoever logs
// waits for no reader of a pipe.
#ifndef BACKPROP_SERVER_OPS_LOG_H_
#define BACKPROP_SERVER_OPS_LOG_H_

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <variant>

namespace backprop {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogValue =
    std::variant<std::string_view, int64_t, uint64_t, double, bool>;
using LogField = std::pair<std::string_view, LogValue>;

// Any thread. A line is written whole. Text is escaped; invalid UTF-8 is
// replaced. Where lines wait to be written and are too many, the oldest are
// dropped.
void Log(LogLevel level, std::string_view message,
         std::initializer_list<LogField> fields = {});

// level: as ServerOptions::log_level. Returns false if there is no such level.
bool SetLogLevel(std::string_view level);

// Returns when what was logged before is written or dropped, or after so long.
void FlushLog(std::chrono::milliseconds patience);

// Lines dropped since the process started.
uint64_t LogLinesDropped();

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_LOG_H_
