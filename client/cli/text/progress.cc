// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace backprop::cli {
namespace {

constexpr size_t kLongestBar = 30;
constexpr size_t kShortestBar = 4;

}  // namespace

std::string BarText(const std::string& title, size_t done, size_t total,
                    const std::string& text, const std::string& aside,
                    size_t width) {
  const double share = total == 0
                           ? 1
                           : std::min(1.0, static_cast<double>(done) /
                                               static_cast<double>(total));
  const std::string percent = absl::StrFormat("%3.0f %%", share * 100);
  const size_t fixed = title.size() + percent.size() + text.size() + 6;
  if (fixed + kShortestBar > width) {
    return (title + " " + percent).substr(0, width);
  }
  const std::string end = aside.empty() ? "" : absl::StrCat("   ", aside);
  const bool room = fixed + end.size() + kShortestBar <= width;
  const size_t taken = fixed + (room ? end.size() : 0);
  const size_t bar = std::min(kLongestBar, width - taken);
  const auto full = static_cast<size_t>(share * static_cast<double>(bar));
  return absl::StrCat(title, " [", std::string(full, '#'),
                      std::string(bar - full, '.'), "] ", percent, "  ", text,
                      room ? end : "");
}

void Progress::Begin(const std::string& title, size_t total) {
  title_ = title;
  total_ = total;
  begun_ = line_.now();
}

bool Progress::Due() const {
  return line_.Due() && (!line_.drawn() || line_.now() - begun_ >= patience_);
}

void Progress::Show(size_t done, const std::string& text) {
  if (Due()) {
    line_.Show(BarText(title_, done, total_, text, aside_, line_.columns()));
  }
}

}  // namespace backprop::cli
