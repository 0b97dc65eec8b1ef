// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/break_report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

// What is over sooner nobody needs to know at once.
constexpr auto kShort = std::chrono::seconds(1);

}  // namespace

void BreakReport::TellBreak() {
  if (!untold_.has_value()) return;
  say_(flag_.Told(*untold_));
  untold_.reset();
}

void BreakReport::Broken(const absl::Status& cause, Moment now) {
  std::lock_guard lock(mutex_);
  untold_ = cause;
  broken_ = now;
  // What can be done about it is to be known before it has happened often.
  const bool cut = ConnectionFaultOf(cause) == ConnectionFault::kCut;
  if (cut && !std::exchange(cut_told_, true)) TellBreak();
}

void BreakReport::Look(Moment now) {
  std::lock_guard lock(mutex_);
  if (now - broken_ >= kShort) TellBreak();
}

void BreakReport::Resumed(const Resumption& resumption) {
  std::lock_guard lock(mutex_);
  const bool restarted = resumption.epoch != resumption.epoch_before;
  if (untold_.has_value() && !restarted) {
    untold_.reset();
    ++mended_;
    resent_ += resumption.samples_resent;
    return;
  }
  TellBreak();
  say_(absl::StrFormat(
      "%s: went on from step %s, %s samples sent again",
      restarted ? "the server was restarted" : "the server is there again",
      Grouped(resumption.step), Grouped(resumption.samples_resent)));
}

void BreakReport::End() {
  std::lock_guard lock(mutex_);
  if (mended_ > 0) {
    say_(absl::StrCat("the connection broke ",
                      mended_ == 1 ? "once" : Grouped(mended_) + " times",
                      ", and was there again within a second: ",
                      Grouped(resent_), " samples sent again"));
  }
  mended_ = resent_ = 0;
  TellBreak();
}

}  // namespace backprop::cli
