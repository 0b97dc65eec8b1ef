// SPDX-License-Identifier: Apache-2.0
//
// backprop train: makes a session (or goes on with one), streams samples into
// it, keeps a replica, and says how well it went.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cli/commands/forget_session.h"
#include "client/cli/commands/lost_server.h"
#include "client/cli/commands/train_advice.h"
#include "client/cli/commands/train_report.h"
#include "client/cli/commands/train_session.h"
#include "client/cli/data/sample_feed.h"
#include "client/cli/data/weights_bytes.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/output_flag.h"
#include "client/cli/flags/train_flags.h"
#include "client/cli/run/cancellable.h"
#include "client/cli/run/evaluation.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/retried.h"
#include "client/cli/run/training_run.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/passing_fault.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

// For how long a session's deletion is tried.
constexpr auto kForgetPatience = std::chrono::seconds(2);

// Whether the replica's weights are those that the server has now.
absl::StatusOr<ReplicaCheck> CheckReplica(TrainingClient& client,
                                          const std::string& session_id,
                                          const Replica& replica) {
  absl::StatusOr<Anchor> anchor =
      client.DownloadWeights(session_id, /*with_state=*/true);
  if (!anchor.ok()) return anchor.status();
  return ReplicaCheck{.verdict = replica.Verify(*anchor),
                      .digest = replica.digest(),
                      .server_digest = anchor->digest};
}

// What training came to.
struct Outcome {
  TestResult test;   // after the last epoch
  double error = 0;  // of the last epoch
  std::optional<ReplicaCheck> replica;
};

// Epoch after epoch, until there are enough or the error is small enough.
absl::Status TrainEpochs(TrainingClient& client, const TrainFlags& flags,
                         const TrainData& data, const std::string& session_id,
                         EpochReport& report, TrainingRun& run,
                         Outcome* outcome) {
  for (size_t epoch = 1; epoch <= flags.most_epochs(); ++epoch) {
    auto result = run.Epoch(report.Title(epoch), report.progress());
    if (!result.ok()) return result.status();
    // Interrupted before anything was sent.
    if (result->samples == 0) return absl::OkStatus();
    outcome->error = result->error;
    if (data.test.has_value()) {
      auto tested = Retried(flags.reconnect.policy(), Interrupted, [&] {
        return EvaluateDataset(client, session_id, *data.test);
      });
      if (!tested.ok()) return tested.status();
      outcome->test = *std::move(tested);
    }
    report.Tell(epoch, *result, outcome->test);
    if (run.interrupted() || (flags.until_error.has_value() &&
                              result->error <= *flags.until_error)) {
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

// What the flags ask of a training that went well.
absl::Status CheckResult(const TrainFlags& flags, const Outcome& outcome,
                         const TrainingRun& run) {
  if (run.interrupted()) {
    return absl::CancelledError(absl::StrFormat("interrupted after %s steps",
                                                Grouped(run.totals().steps)));
  }
  if (outcome.replica.has_value() && !outcome.replica->verdict.ok()) {
    return outcome.replica->verdict;
  }
  if (flags.require_accuracy.has_value() && outcome.test.has_value() &&
      outcome.test->accuracy() < *flags.require_accuracy) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "test accuracy %.4f is below --require-accuracy %.4f: train more "
        "--epochs, or %s",
        outcome.test->accuracy(), *flags.require_accuracy,
        ToChangeRate("change", flags.session_id)));
  }
  return absl::OkStatus();
}

// Compares the replica and ends the stream. The former comes first: until then
// nobody else can train. But where the server went away since the last answer
// the stream, and with it the replica, goes on while it is ended.
absl::Status CheckAndClose(TrainingClient& client,
                           const std::string& session_id, TrainingRun& run,
                           Outcome* outcome) {
  if (run.replica() == nullptr) return run.Close();
  auto check = CheckReplica(client, session_id, *run.replica());
  const bool went_away = check.ok() ? absl::IsFailedPrecondition(check->verdict)
                                    : MayPass(check.status());
  if (!check.ok() && !went_away) return check.status();
  absl::Status closed = run.Close();
  if (!closed.ok()) return closed;
  if (went_away) check = CheckReplica(client, session_id, *run.replica());
  if (!check.ok()) return check.status();
  outcome->replica = *std::move(check);
  return absl::OkStatus();
}

// Trains on an open run, to the stream's end.
absl::Status TrainRun(TrainingClient& client, const TrainFlags& flags,
                      const TrainData& data, const v1::Session& session,
                      TrainReport& report, TrainingRun& run, Outcome* outcome) {
  absl::Status status = run.Learn(report.epochs().progress());
  if (status.ok()) {
    status = TrainEpochs(client, flags, data, session.session_id(),
                         report.epochs(), run, outcome);
  }
  report.epochs().End();
  if (!status.ok()) return status;
  if (flags.until_error.has_value() && !run.interrupted() &&
      outcome->error > *flags.until_error) {
    report.Note(absl::StrFormat(
        "the error did not fall to %g in %s epochs: raise --epochs, or %s",
        *flags.until_error, Grouped(flags.most_epochs()),
        ToChangeRate("change", flags.session_id)));
  }
  return CheckAndClose(client, session.session_id(), run, outcome);
}

// Writes the replica's weights, if that is wanted, however training ended: they
// may be all that is left of it. Says whether they were written.
absl::StatusOr<bool> Save(const TrainFlags& flags, const Replica* replica,
                          const TrainReport& report) {
  if (flags.output.empty() || replica == nullptr || !replica->sound()) {
    return false;
  }
  absl::Status status =
      WriteOutput(flags.output, WeightsBytes(flags.output, replica->weights()));
  if (!status.ok()) return status;
  report.Saved(*replica);
  return true;
}

// How the stream goes on where it breaks, and who is told.
ResumingTrainOptions StreamOf(const TrainFlags& flags, TrainReport& report) {
  ResumingTrainOptions options;
  options.with_replica = !flags.no_replica;
  options.retry = flags.reconnect.policy();
  options.on_break = [&](const absl::Status& cause) {
    report.breaks().Broken(cause, std::chrono::steady_clock::now());
  };
  options.on_resume = [&](const Resumption& resumption) {
    report.Resumed(resumption);
  };
  options.give_up = [&] {
    report.breaks().Look(std::chrono::steady_clock::now());
    return Interrupted();
  };
  return options;
}

absl::Status TrainOn(TrainingClient& client, const GlobalFlags& global,
                     const TrainFlags& flags, const TrainData& data,
                     const v1::Session& session, TrainReport& report) {
  SampleFeed feed(
      data.training, session.spec().batch_size(), flags.samples_per_message,
      flags.no_shuffle ? std::nullopt : std::optional(flags.spec.seed));
  auto run = Cancellable(Interrupted, [&](Cancellation* cancellation) {
    return TrainingRun::Open(client, session, feed, StreamOf(flags, report),
                             cancellation);
  });
  if (!run.ok()) return run.status();
  Outcome outcome;
  absl::Status status =
      TrainRun(client, flags, data, session, report, **run, &outcome);
  report.breaks().End();
  absl::StatusOr<bool> saved = Save(flags, (*run)->replica(), report);
  if (status.ok()) {
    report.End((*run)->totals(), outcome.test, outcome.replica,
               feed.left_over());
    status = CheckResult(flags, outcome, **run);
    return status.ok() ? saved.status() : status;
  }
  if (!saved.ok()) report.Note(std::string(saved.status().message()));
  if (!LeavesSessionInDoubt(status)) return Advised(status, flags.session_id);
  return LostServer(client,
                    {.address = global.address,
                     .session_id = session.session_id(),
                     .steps = (*run)->totals().steps,
                     .output = saved.value_or(false) ? flags.output : ""},
                    status);
}

absl::Status Train(const GlobalFlags& global, const TrainFlags& flags) {
  absl::StatusOr<TrainData> data = LoadTrainData(flags);
  if (!data.ok()) return data.status();
  TrainingClient client(global.address, global.client);
  const bool created = flags.session_id.empty();
  absl::StatusOr<v1::Session> session =
      created ? CreateSession(client, flags, *data)
              : FindSession(client, flags, *data);
  if (!session.ok()) return session.status();
  CatchInterrupt();
  TrainReport report(global.json, flags, *session);
  report.Begin(data->training, created);
  absl::Status status = TrainOn(client, global, flags, *data, *session, report);
  // What became of the session is told already.
  if (IsLostServer(status)) return status;
  if (created && !flags.keep_session) {
    absl::Status forgotten =
        ForgetSession(client, session->session_id(), kForgetPatience);
    return status.ok() ? forgotten : status;
  }
  if (absl::IsNotFound(status)) return status;
  report.Kept();
  return status;
}

}  // namespace

void AddTrainCommand(Command& app, const GlobalFlags& global, Action& action) {
  Command* command =
      app.add_subcommand("train", "Train a network on images or a table");
  auto flags = std::make_shared<TrainFlags>();
  AddTrainFlags(*command, flags.get());
  command->footer(
      "Examples:\n"
      "  backprop train --images train-images-idx3-ubyte.gz \\\n"
      "    --labels train-labels-idx1-ubyte.gz --epochs 3\n"
      "  backprop train --csv iris.csv --target species --standardise \\\n"
      "    --layers 8:tanh,3:softmax --until-error 0.1\n"
      "  backprop train --csv iris.csv --target species --epochs 50 \\\n"
      "    --layers 16:leaky-relu=0.2:dropout=0.1,3:softmax \\\n"
      "    --optimiser adamw --schedule cosine --warmup-steps 100");
  command->callback([&global, &action, command, flags] {
    action = [&global, command, flags] {
      absl::Status status = CheckTrainFlags(*command, *flags);
      return status.ok() ? Train(global, *flags) : status;
    };
  });
}

}  // namespace backprop::cli
