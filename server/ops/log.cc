// SPDX-License-Identifier: Apache-2.0
#include "server/ops/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace backprop {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Lives as long as the process: threads may log until its end.
spdlog::logger& Logger() {
  static spdlog::logger* const logger = [] {
    auto* made = new spdlog::logger(
        "backpropd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    // %v is the rest of the object, from its first key to its closing brace.
    made->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v)",
                      spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *logger;
}

}  // namespace

void Log(LogLevel level, std::string_view message,
         std::initializer_list<LogField> fields) {
  spdlog::logger& logger = Logger();
  if (!logger.should_log(ToSpdlog(level))) return;
  nlohmann::ordered_json line = {{"message", message}};
  for (const auto& [name, value] : fields) {
    std::visit([&](const auto& held) { line[std::string(name)] = held; },
               value);
  }
  const std::string text = line.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  logger.log(ToSpdlog(level), std::string_view(text).substr(1));
}

bool SetLogLevel(std::string_view level) {
  if (level == "off") {
    Logger().set_level(spdlog::level::off);
    return true;
  }
  // from_str answers "off" to what it doesn't know.
  const auto found = spdlog::level::from_str(std::string(level));
  if (found == spdlog::level::off) return false;
  Logger().set_level(found);
  return true;
}

}  // namespace backprop
