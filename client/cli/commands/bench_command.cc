// SPDX-License-Identifier: Apache-2.0
//
// backprop bench: how fast a server trains, as a client of the library sees it.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/bench_report.h"
#include "client/cli/commands/bench_session.h"
#include "client/cli/commands/train_advice.h"
#include "client/cli/data/random_samples.h"
#include "client/cli/flags/bench_flags.h"
#include "client/cli/flags/command.h"
#include "client/cli/run/bench_run.h"
#include "client/cli/run/bench_way.h"
#include "client/cli/run/cancellable.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

using Clock = BenchRun::Clock;

// How soon an interrupt is noticed.
constexpr auto kNoticeAfter = std::chrono::milliseconds(50);
// What a way gets where those before it took longer than they should.
constexpr auto kLeast = std::chrono::milliseconds(100);

// What all ways are measured with.
struct Bench {
  TrainingClient& client;
  const v1::SessionSpec& spec;
  const uint64_t seed;  // of the samples
  BenchReport& report;
};

// Whether the user wants no more of it, or nobody reads it.
bool Unwanted() { return Interrupted() || !std::cout; }

absl::StatusOr<std::unique_ptr<BenchRun>> Open(const Bench& bench,
                                               const v1::Session& session,
                                               const BenchWay& way,
                                               Clock::duration share) {
  return Cancellable(Unwanted, [&](Cancellation* cancellation) {
    return BenchRun::Open(
        bench.client, session, way,
        RandomSamples(bench.spec, way.samples_per_message, bench.seed), share,
        cancellation);
  });
}

absl::StatusOr<BenchRow> Run(const Bench& bench, const v1::Session& session,
                             const BenchWay& way, Clock::duration share) {
  auto run = Open(bench, session, way, share);
  if (!run.ok()) return run.status();
  BenchProgress now;
  while (!now.ended) {
    if (Unwanted()) (*run)->Stop();
    now = (*run)->Wait(kNoticeAfter);
    bench.report.Show(way, now.samples_per_second);
  }
  if (!now.status.ok()) return now.status;
  return BenchRow{way, (*run)->figures(), now.cut};
}

// In a session of its own, so that all ways find the same weights.
absl::Status Measure(const Bench& bench, const BenchWay& way,
                     Clock::duration share) {
  const auto session = MakeBenchSession(bench.client, bench.spec);
  if (!session.ok()) return session.status();
  if (!bench.report.begun()) bench.report.Begin(*session);
  absl::StatusOr<BenchRow> row = Run(bench, *session, way, share);
  absl::Status status =
      ForgetBenchSession(bench.client, *session, row.status());
  if (row.ok()) bench.report.Add(*std::move(row));
  return status;
}

// The ways whose messages the server takes; the others are told.
std::vector<BenchWay> WaysThatFit(const Bench& bench,
                                  uint64_t max_message_bytes) {
  std::vector<BenchWay> ways;
  for (const BenchWay& way : BenchWays(bench.spec.batch_size())) {
    if (FitsMessage(bench.spec, way.samples_per_message, max_message_bytes)) {
      ways.push_back(way);
      continue;
    }
    bench.report.LeaveOut(way,
                          absl::StrCat("the server takes messages up to its "
                                       "--max-message-bytes ",
                                       Grouped(max_message_bytes)));
  }
  return ways;
}

absl::Status MeasureAll(const Bench& bench, Clock::duration length,
                        uint64_t max_message_bytes) {
  const Clock::time_point end = Clock::now() + length;
  const std::vector<BenchWay> ways = WaysThatFit(bench, max_message_bytes);
  if (ways.empty()) {
    return absl::InvalidArgumentError(
        "nothing was measured: lower --input-size or --batch-size");
  }
  for (size_t i = 0; i < ways.size(); ++i) {
    if (Unwanted()) return absl::CancelledError("interrupted");
    const Clock::duration share =
        (end - Clock::now()) / static_cast<int>(ways.size() - i);
    absl::Status status =
        Measure(bench, ways[i], std::max<Clock::duration>(share, kLeast));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RunBench(const GlobalFlags& global, const BenchFlags& flags) {
  absl::StatusOr<v1::SessionSpec> spec = MakeBenchSpec(flags);
  if (!spec.ok()) return spec.status();
  TrainingClient client(global.address, global.client);
  const auto server = client.GetServerInfo();
  if (!server.ok()) return server.status();
  CatchInterrupt();
  const auto length = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<float>(flags.seconds));
  BenchReport report(global, *server, length);
  absl::Status status =
      MeasureAll({.client = client,
                  .spec = *spec,
                  .seed = flags.spec.seed,
                  .report = report},
                 length, server->limits().max_message_bytes());
  report.End();
  return Advised(status, /*session_id=*/"");
}

}  // namespace

void AddBenchCommand(Command& app, const GlobalFlags& global, Action& action) {
  Command* command = app.add_subcommand("bench",
                                        "Measure how fast a server trains a "
                                        "network, on random samples: samples a "
                                        "second, latency, bytes");
  auto flags = std::make_shared<BenchFlags>();
  AddBenchFlags(*command, flags.get());
  command->footer(
      "It takes compute from other sessions on that server while it lasts, and "
      "from\n"
      "the machine where it is typed. Its sessions, called 'backprop bench' if "
      "--name\n"
      "does not say otherwise, are deleted, also after Ctrl-C.\n"
      "Each row is a session of its own: 784-128:relu-10:softmax, or what the "
      "flags\n"
      "say, trained on random samples that are the same for the same --seed. A "
      "tenth\n"
      "of the time is warm-up. In the first row messages go one by one, in the "
      "others\n"
      "ahead of their answers; with deltas, a replica adds them. Bytes are "
      "those of the\n"
      "messages; what HTTP/2 and TLS add is left out.\n"
      "Samples a message are 1, 32 and 256, rounded up to whole steps of "
      "--batch-size.\n"
      "Examples:\n"
      "  backprop bench\n"
      "  backprop bench --input-size 64 --layers 256:relu,64 --optimiser adam");
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return RunBench(global, *flags); };
  });
}

}  // namespace backprop::cli
