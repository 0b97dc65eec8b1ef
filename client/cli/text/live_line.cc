// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/live_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace backprop::cli {
namespace {

constexpr auto kDrawEvery = std::chrono::milliseconds(100);
constexpr size_t kUsualColumns = 80;
constexpr char kBetweenParts[] = "   ";
// ECMA-48: erases from the cursor to the end of the line.
constexpr char kEraseRest[] = "\x1b[K";

size_t ColumnsOf(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kUsualColumns;
  }
  return size.ws_col;
}

Terminal TerminalAt(FILE* stream) {
  const int descriptor = fileno(stream);
  const char* term = std::getenv("TERM");
  if (isatty(descriptor) != 1 ||
      (term != nullptr && std::string_view(term) == "dumb")) {
    return {};
  }
  return {.write =
              [stream](std::string_view text) {
                std::fwrite(text.data(), 1, text.size(), stream);
                std::fflush(stream);
              },
          .columns = [descriptor] { return ColumnsOf(descriptor); },
          .now = [] { return Terminal::Clock::now(); }};
}

}  // namespace

Terminal StandardOutput() { return TerminalAt(stdout); }
Terminal StandardError() { return TerminalAt(stderr); }

LiveLine::Clock::time_point LiveLine::now() const {
  return on_terminal() ? terminal_.now() : Clock::time_point();
}

size_t LiveLine::columns() const {
  const size_t columns = on_terminal() ? terminal_.columns() : 0;
  return columns == 0 ? 0 : columns - 1;
}

bool LiveLine::Due() const {
  return on_terminal() &&
         (!ever_drawn_ || terminal_.now() - last_draw_ >= kDrawEvery);
}

void LiveLine::Draw(const std::string& text) {
  terminal_.write(absl::StrCat("\r", text.substr(0, columns()), kEraseRest));
  last_draw_ = terminal_.now();
  ever_drawn_ = true;
  drawn_ = true;
}

void LiveLine::Show(const std::string& text) {
  if (Due()) Draw(text);
}

void LiveLine::Keep(const std::string& text) {
  if (!on_terminal()) return;
  Draw(text);
  terminal_.write("\n");
  drawn_ = false;
}

void LiveLine::Clear() {
  if (!drawn_) return;
  terminal_.write(absl::StrCat("\r", kEraseRest));
  drawn_ = false;
}

std::string Fitted(const std::vector<std::string>& parts, size_t columns) {
  std::string text;
  for (const std::string& part : parts) {
    std::string longer =
        text.empty() ? part : absl::StrCat(text, kBetweenParts, part);
    if (longer.size() > columns && !text.empty()) break;
    text = std::move(longer);
  }
  return text.substr(0, columns);
}

}  // namespace backprop::cli
