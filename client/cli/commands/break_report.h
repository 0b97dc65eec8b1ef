// SPDX-License-Identifier: Apache-2.0
//
// What `backprop train` says of streams that broke and went on, for people. A
// break that was mended within a second is of no matter while training goes on:
// such breaks are summed up at its end. What takes longer is told when it does;
// that a proxy cuts streams, the first time; that the server was restarted,
// each time.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_BREAK_REPORT_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_BREAK_REPORT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/cli/flags/reconnect_flag.h"
#include "client/cpp/resuming_train_stream.h"

namespace backprop::cli {

// Threads: any may Look while one does the rest.
class BreakReport {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // say: takes one text after another. It is called under a lock, and never
  // between Resumed and the next Broken. flag must outlive the report.
  BreakReport(const ReconnectFlag& flag,
              std::function<void(const std::string&)> say)
      : flag_(flag), say_(std::move(say)) {}

  // The stream has broken now, and the server is looked for.
  void Broken(const absl::Status& cause, Moment now);
  // To be called often while it is: tells what takes long.
  void Look(Moment now);
  // The stream has gone on.
  void Resumed(const Resumption& resumption);
  // There is no more: tells what was not told.
  void End();

 private:
  void TellBreak();  // unless it was told

  // Constant after construction.
  const ReconnectFlag& flag_;
  const std::function<void(const std::string&)> say_;

  std::mutex mutex_;                    // guards what follows
  std::optional<absl::Status> untold_;  // why the stream has broken
  Moment broken_;
  bool cut_told_ = false;
  uint64_t mended_ = 0;  // breaks that were passed over
  uint64_t resent_ = 0;  // samples, after those
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_BREAK_REPORT_H_
