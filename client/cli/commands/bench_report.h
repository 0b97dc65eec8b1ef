// SPDX-License-Identifier: Apache-2.0
//
// What `backprop bench` prints. For people: what is measured, a table when all
// is done, and a bar on standard error's terminal until then. For programs: an
// object for each.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_BENCH_REPORT_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_BENCH_REPORT_H_

#include <chrono>
#include <string>
#include <vector>

#include "backprop/v1/training_service.pb.h"
#include "client/cli/flags/command.h"
#include "client/cli/run/bench_tally.h"
#include "client/cli/run/bench_way.h"
#include "client/cli/text/live_line.h"
#include "client/cli/text/progress.h"

namespace backprop::cli {

struct BenchRow {
  BenchWay way;
  BenchFigures figures;
  bool cut = false;  // not all that was sent was answered
};

// The table, and how long an answer takes where messages go one by one. Exposed
// for tests.
std::string BenchText(const std::vector<BenchRow>& rows);

class BenchReport {
 public:
  using Clock = BenchTally::Clock;

  // Measuring begins, and will take so long. The references must outlive the
  // report.
  BenchReport(const GlobalFlags& global,
              const v1::GetServerInfoResponse& server, Clock::duration length);

  // The first way's session; those of the others are like it. Tells what is
  // measured.
  void Begin(const v1::Session& session);
  bool begun() const { return told_; }
  // A way that is not measured.
  void LeaveOut(const BenchWay& way, const std::string& why);
  // How far measuring is. rate: samples a second at present.
  void Show(const BenchWay& way, double rate);
  void Add(BenchRow row);
  // There are no more.
  void End();

 private:
  // Constant after construction.
  const GlobalFlags& global_;
  const v1::GetServerInfoResponse& server_;
  const Clock::time_point begun_ = Clock::now();
  const Clock::duration length_;

  bool told_ = false;  // what is measured
  LiveLine line_;
  Progress progress_;
  std::vector<BenchRow> rows_;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_BENCH_REPORT_H_
