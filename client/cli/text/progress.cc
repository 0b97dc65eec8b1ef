// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "absl/strings/str_format.h"

namespace backprop::cli {
namespace {

constexpr auto kDrawEvery = std::chrono::milliseconds(100);
constexpr size_t kLongestBar = 30;
constexpr size_t kUsualWidth = 80;

bool IsTerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 &&
         !(term != nullptr && std::string_view(term) == "dumb");
}

size_t TerminalWidth() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return kUsualWidth;
  return size.ws_col;
}

}  // namespace

std::string BarText(const std::string& title, size_t done, size_t total,
                    const std::string& text, size_t width) {
  const double share = total == 0
                           ? 1
                           : std::min(1.0, static_cast<double>(done) /
                                               static_cast<double>(total));
  const std::string percent = absl::StrFormat("%3.0f %%", share * 100);
  const size_t fixed = title.size() + percent.size() + text.size() + 6;
  if (fixed + 4 > width) return (title + " " + percent).substr(0, width);
  const size_t bar = std::min(kLongestBar, width - fixed);
  const auto full = static_cast<size_t>(share * static_cast<double>(bar));
  return title + " [" + std::string(full, '#') + std::string(bar - full, '.') +
         "] " + percent + "  " + text;
}

Progress::Progress() : terminal_(IsTerminal()) {}

void Progress::Begin(const std::string& title, size_t total) {
  title_ = title;
  total_ = total;
}

bool Progress::Due() const {
  return terminal_ && Clock::now() - last_draw_ >= kDrawEvery;
}

void Progress::Show(size_t done, const std::string& text) {
  if (!Due()) return;
  last_draw_ = Clock::now();
  drawn_ = true;
  // The last column stays free: a character there may wrap the line.
  const std::string line =
      BarText(title_, done, total_, text, TerminalWidth() - 1);
  std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
  std::fflush(stderr);
}

void Progress::Clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace backprop::cli
