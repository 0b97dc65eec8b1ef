// SPDX-License-Identifier: Apache-2.0
//
// Which of many lines are printed where what is printed cannot be taken back,
// so that 3,000 epochs make some fifty lines of a log. The last line is always
// worth printing; whoever prints knows which it is.
#ifndef BACKPROP_CLIENT_CLI_TEXT_LINE_THINNING_H_
#define BACKPROP_CLIENT_CLI_TEXT_LINE_THINNING_H_

#include <cstdint>

namespace backprop::cli {

class LineThinning {
 public:
  enum class Spread {
    // Every so many, and a few of the first: for a known number of lines. The
    // first of a million may take long enough to be waited for.
    kEven,
    // Each further apart than the one before: where any line may be the last,
    // so that a short run has many too.
    kWidening,
  };

  // most: how many lines there can be, at least 1.
  LineThinning(uint64_t most, Spread spread);

  // Whether line `number`, 1 to most, is one of the fifty or so. The first is.
  bool Tells(uint64_t number) const;

 private:
  // Constant after construction.
  const uint64_t most_;
  const Spread spread_;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_LINE_THINNING_H_
