// SPDX-License-Identifier: Apache-2.0
//
// backprop watch: follows a session that somebody else trains.
#include <chrono>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/layer_text.h"
#include "client/cli/flags/reconnect_flag.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/watch_run.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

using Clock = std::chrono::steady_clock;

// How soon an interrupt is noticed.
constexpr auto kGlance = std::chrono::milliseconds(50);

struct WatchFlags {
  std::string session_id;
  std::optional<uint64_t> until_step;
  float interval = 1;  // seconds
  ReconnectFlag reconnect;
};

double MeanError(const WatchProgress& from, const WatchProgress& to) {
  return to.steps == from.steps
             ? 0
             : (to.error_sum - from.error_sum) /
                   static_cast<double>(to.steps - from.steps);
}

void PrintBegin(const v1::Session& session, bool json) {
  if (json) {
    PrintJson({{"event", "watching"},
               {"session_id", session.session_id()},
               {"step", session.step()},
               {"weights", session.layout().weight_count()}});
  } else {
    std::cout << absl::StrFormat(
                     "watching %s: %s, at step %s", session.session_id(),
                     NetworkText(session.spec()), Grouped(session.step()))
              << std::endl;
  }
}

// What happened between two looks.
void PrintSteps(const WatchProgress& before, const WatchProgress& now,
                bool json) {
  if (json) {
    PrintJson({{"event", "steps"},
               {"step", now.step},
               {"steps", now.steps - before.steps},
               {"error", MeanError(before, now)},
               {"bytes", now.bytes - before.bytes},
               {"digests", now.digests},
               {"resyncs", now.resyncs},
               {"reconnects", now.reconnects}});
    return;
  }
  if (now.resyncs != before.resyncs) {
    std::cout << absl::StrFormat(
        "note: fell behind, went on from %s new %s\n",
        Grouped(now.resyncs - before.resyncs),
        now.resyncs - before.resyncs == 1 ? "anchor" : "anchors");
  }
  std::cout << absl::StrFormat(
                   "step %-12s error %.6f   %-9s in %s steps   digests %s",
                   Grouped(now.step), MeanError(before, now),
                   ByteText(static_cast<double>(now.bytes - before.bytes)),
                   Grouped(now.steps - before.steps), Grouped(now.digests))
            << std::endl;
}

std::string ReasonText(const WatchProgress& now, bool interrupted) {
  if (interrupted) return "interrupted";
  switch (now.end) {
    case WatchEnd::kSessionDeleted:
      return "session deleted";
    case WatchEnd::kGoodbye:
      return "server shut down";
    default:
      return "step reached";
  }
}

void PrintEnd(const WatchProgress& now, bool interrupted, bool json) {
  const std::string reason = ReasonText(now, interrupted);
  if (json) {
    PrintJson({{"event", "done"},
               {"reason", reason},
               {"step", now.step},
               {"steps", now.steps},
               {"bytes", now.bytes},
               {"digests", now.digests},
               {"resyncs", now.resyncs}});
    return;
  }
  std::cout << absl::StrFormat(
      "%s at step %s: followed %s steps in %s, %s\n", reason, Grouped(now.step),
      Grouped(now.steps), ByteText(static_cast<double>(now.bytes)),
      now.digests == 0 ? "without a digest to compare"
                       : Grouped(now.digests) + " digests, all equal");
}

// Tells of broken streams, on standard error. Cuts of a proxy, which comes with
// each silence, only once.
class LossReport {
 public:
  explicit LossReport(const ReconnectFlag& flag) : flag_(flag) {}

  void Tell(const WatchProgress& now) {
    if (std::exchange(losses_, now.losses) != now.losses) {
      const bool cut = ConnectionFaultOf(now.loss) == ConnectionFault::kCut;
      silent_ = cut && cut_told_;
      cut_told_ = cut_told_ || cut;
      Say(flag_.Told(now.loss));
    }
    if (std::exchange(reconnects_, now.reconnects) != now.reconnects) {
      Say("the server is there again: went on from step " + Grouped(now.step));
    }
  }

 private:
  void Say(const std::string& text) const {
    if (!silent_) std::cerr << "backprop: " << text << std::endl;
  }

  const ReconnectFlag& flag_;
  uint64_t losses_ = 0;
  uint64_t reconnects_ = 0;
  bool cut_told_ = false;
  bool silent_ = false;
};

absl::Status Watch(const GlobalFlags& global, const WatchFlags& flags) {
  TrainingClient client(global.address, global.client);
  absl::StatusOr<v1::Session> session = client.GetSession(flags.session_id);
  if (!session.ok()) return session.status();
  CatchInterrupt();
  PrintBegin(*session, global.json);
  WatchRun run(client, *session, flags.until_step, flags.reconnect.policy());
  const auto interval = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<float>(flags.interval));
  WatchProgress printed, now;
  LossReport losses(flags.reconnect);
  auto due = Clock::now() + interval;
  while (!now.ended) {
    now = run.Wait(kGlance);
    if (Interrupted()) run.Stop();
    losses.Tell(now);
    if (!now.ended && Clock::now() < due) continue;
    if (now.steps != printed.steps || now.resyncs != printed.resyncs) {
      PrintSteps(printed, now, global.json);
    }
    printed = now;
    due = Clock::now() + interval;
  }
  if (!now.status.ok()) return now.status;
  PrintEnd(now, Interrupted(), global.json);
  return absl::OkStatus();
}

}  // namespace

void AddWatchCommand(Command& app, const GlobalFlags& global, Action& action) {
  Command* command = app.add_subcommand(
      "watch",
      "Follow a session that is trained elsewhere, with a replica of its "
      "weights");
  auto flags = std::make_shared<WatchFlags>();
  AddSessionId(*command, &flags->session_id);
  command
      ->add_option("--until-step", flags->until_step,
                   "Stop there [at the session's end, or Ctrl-C]")
      ->check(WholeNumber(0, std::numeric_limits<uint64_t>::max()))
      ->type_name("STEP");
  command
      ->add_option("--interval", flags->interval, "Seconds from line to line")
      ->check(NumberBetween(0, 86400))
      ->type_name("SECONDS")
      ->capture_default_str();
  AddReconnectFlag(*command, &flags->reconnect);
  command->footer(
      "Each line: the step reached, the mean error and the bytes received "
      "since\n"
      "the line before, and how many digests were compared so far. A digest "
      "that\ndiffers ends it with exit code 1; Ctrl-C is no failure.\n"
      "Example: backprop watch ID --json");
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Watch(global, *flags); };
  });
}

}  // namespace backprop::cli
