// SPDX-License-Identifier: Apache-2.0
//
// The last line of a terminal, written over again and again, so that a person
// sees how far something has come without the screen running full:
//
//   LiveLine line(StandardError());
//   while (...) line.Show("epoch 7/9   error 0.125");   // as often as you like
//   line.Keep("epoch 9/9   error 0.063");               // the last state stays
//
// Where there is no terminal it is silent.
#ifndef BACKPROP_CLIENT_CLI_TEXT_LIVE_LINE_H_
#define BACKPROP_CLIENT_CLI_TEXT_LIVE_LINE_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backprop::cli {

// Something that can go back to the beginning of its line. Tests bring their
// own clock and width.
struct Terminal {
  using Clock = std::chrono::steady_clock;

  // Not set: there is no terminal.
  std::function<void(std::string_view)> write;
  std::function<size_t()> columns;
  std::function<Clock::time_point()> now;
};

// No terminal, unless the stream is one that can do it ($TERM is not dumb).
Terminal StandardOutput();
Terminal StandardError();

// Not for several threads at once.
class LiveLine {
 public:
  using Clock = Terminal::Clock;

  explicit LiveLine(Terminal terminal) : terminal_(std::move(terminal)) {}
  ~LiveLine() { Clear(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  bool on_terminal() const { return terminal_.write != nullptr; }
  // Whether something stands in the line.
  bool drawn() const { return drawn_; }
  // The time; nothing in particular where there is no terminal.
  Clock::time_point now() const;
  // How many a text may take. One less than the terminal has, because a
  // character in the last one may wrap the line.
  size_t columns() const;

  // Whether Show would draw now: at most ten times a second. Lets callers save
  // composing a text.
  bool Due() const;
  // Draws, if it is due. What does not fit is cut off.
  void Show(const std::string& text);
  // Draws in any case; what is printed next stands in the line below.
  void Keep(const std::string& text);
  // Takes the line off the terminal, so that something else can be printed.
  void Clear();

 private:
  void Draw(const std::string& text);

  const Terminal terminal_;  // constant after construction
  bool drawn_ = false;
  bool ever_drawn_ = false;
  Clock::time_point last_draw_;
};

// The parts that fit into so many columns, three spaces between them. Those at
// the end are left out first; the first is cut if it does not fit alone.
std::string Fitted(const std::vector<std::string>& parts, size_t columns);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_LIVE_LINE_H_
