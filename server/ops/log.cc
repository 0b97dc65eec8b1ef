// SPDX-License-Identifier: Apache-2.0
#include "server/ops/log.h"

#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

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

// Lines that may wait.
constexpr size_t kQueue = 4096;

// Writes to standard error, and counts.
class ErrorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  uint64_t written() const { return written_; }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    Write(std::string_view(line.data(), line.size()));
    ++written_;
  }

  void flush_() override {}

  static void Write(std::string_view line) {
    while (!line.empty()) {
      const ssize_t size = write(STDERR_FILENO, line.data(), line.size());
      if (size > 0) {
        line.remove_prefix(static_cast<size_t>(size));
      } else if (size < 0 && errno == EAGAIN) {  // whoever shares it chose so
        pollfd wanted{STDERR_FILENO, POLLOUT, 0};
        poll(&wanted, 1, -1);
      } else if (errno != EINTR) {
        return;  // nobody reads it any more
      }
    }
  }

  std::atomic<uint64_t> written_ = 0;
};

// All that logs. Lives as long as the process: threads may log until its end.
struct Lines {
  std::shared_ptr<ErrorSink> sink = std::make_shared<ErrorSink>();
  std::shared_ptr<spdlog::details::thread_pool> writer =
      std::make_shared<spdlog::details::thread_pool>(kQueue, 1);
  // It hands itself on to the writer.
  std::shared_ptr<spdlog::async_logger> logger =
      std::make_shared<spdlog::async_logger>(
          "backpropd", sink, writer,
          spdlog::async_overflow_policy::overrun_oldest);
  std::atomic<uint64_t> logged = 0;

  uint64_t Dropped() const { return writer->overrun_counter(); }
};

Lines& AllLines() {
  static Lines* const lines = [] {
    auto* made = new Lines;
    // %v is the rest of the object, from its first key to its closing brace.
    made->logger->set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v)",
        spdlog::pattern_time_type::utc);
    made->logger->set_level(spdlog::level::info);
    return made;
  }();
  return *lines;
}

}  // namespace

void Log(LogLevel level, std::string_view message,
         std::initializer_list<LogField> fields) {
  Lines& lines = AllLines();
  if (!lines.logger->should_log(ToSpdlog(level))) return;
  nlohmann::ordered_json line = {{"message", message}};
  for (const LogField& field : fields) {
    std::visit([&](const auto& held) { line[std::string(field.first)] = held; },
               field.second);
  }
  const std::string text = line.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  ++lines.logged;
  lines.logger->log(ToSpdlog(level), std::string_view(text).substr(1));
}

bool SetLogLevel(std::string_view level) {
  if (level == "off") {
    AllLines().logger->set_level(spdlog::level::off);
    return true;
  }
  // from_str answers "off" to what it doesn't know.
  const auto found = spdlog::level::from_str(std::string(level));
  if (found == spdlog::level::off) return false;
  AllLines().logger->set_level(found);
  return true;
}

void FlushLog(std::chrono::milliseconds patience) {
  const Lines& lines = AllLines();
  const uint64_t logged = lines.logged;
  const auto end = std::chrono::steady_clock::now() + patience;
  while (lines.sink->written() + lines.Dropped() < logged &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

uint64_t LogLinesDropped() { return AllLines().Dropped(); }

}  // namespace backprop
