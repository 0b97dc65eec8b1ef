// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_TEXT_PROGRESS_H_
#define BACKPROP_CLIENT_CLI_TEXT_PROGRESS_H_

#include <chrono>
#include <cstddef>
#include <string>

namespace backprop::cli {

// The last line of a terminal, showing how far something has come. Silent
// where standard error is no terminal.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  Progress();
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Starts over; `title` stands before the bar.
  void Begin(const std::string& title, size_t total);
  // Draws at most ten times a second, however often Begin was called. `text`
  // stands behind the bar.
  void Show(size_t done, const std::string& text);
  // Whether Show would draw now: lets callers save composing a text.
  bool Due() const;
  // Takes the bar off the terminal; call it before printing anything.
  void Clear();

 private:
  const bool terminal_;
  std::string title_;
  size_t total_ = 0;
  bool drawn_ = false;
  Clock::time_point last_draw_;
};

// The bar as text of at most `width` columns. Exposed for tests.
std::string BarText(const std::string& title, size_t done, size_t total,
                    const std::string& text, size_t width);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_PROGRESS_H_
