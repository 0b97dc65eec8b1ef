// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_TEXT_PROGRESS_H_
#define BACKPROP_CLIENT_CLI_TEXT_PROGRESS_H_

#include <cstddef>
#include <string>

#include "client/cli/text/live_line.h"

namespace backprop::cli {

// How far something has come, as a bar in a terminal's live line. Silent where
// there is no terminal.
class Progress {
 public:
  using Clock = LiveLine::Clock;

  // line must outlive this. patience: for how long after Begin what stands in
  // the line already is left there, to be read. Short work then shows no bar.
  Progress(LiveLine& line, Clock::duration patience)
      : line_(line), patience_(patience) {}

  // Starts over; `title` stands before the bar.
  void Begin(const std::string& title, size_t total);
  // Stands at the line's end from now on, where there is room for it.
  void SetAside(const std::string& aside) { aside_ = aside; }
  // Draws, if it is due. `text` stands behind the bar.
  void Show(size_t done, const std::string& text);
  // Whether Show would draw now: lets callers save composing a text.
  bool Due() const;

 private:
  // Constant after construction.
  LiveLine& line_;
  const Clock::duration patience_;

  std::string title_;
  std::string aside_;
  size_t total_ = 0;
  Clock::time_point begun_;
};

// The bar as text of at most `width` columns. What has no room is left out:
// first `aside`, then `text` and the bar itself. Exposed for tests.
std::string BarText(const std::string& title, size_t done, size_t total,
                    const std::string& text, const std::string& aside,
                    size_t width);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_PROGRESS_H_
