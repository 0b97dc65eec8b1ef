// SPDX-License-Identifier: Apache-2.0
//
// backprop train: makes a session (or goes on with one), streams samples into
// it, keeps a replica, and says how well it went.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cli/commands/train_report.h"
#include "client/cli/data/sample_feed.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/spec_flags.h"
#include "client/cli/flags/train_flags.h"
#include "client/cli/run/evaluation.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/training_run.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/progress.h"
#include "client/cpp/call_status.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

constexpr int kForgetTries = 100;
constexpr auto kForgetPause = std::chrono::milliseconds(20);

absl::StatusOr<v1::Session> Create(TrainingClient& client,
                                   const TrainFlags& flags,
                                   const TrainData& data) {
  const Dataset& training = data.training;
  absl::StatusOr<v1::SessionSpec> spec =
      MakeSpec(flags.spec,
               {.input_size = static_cast<uint32_t>(training.input_size),
                .output_size = static_cast<uint32_t>(training.output_size()),
                .regression = flags.csv.regression,
                .format = training.format,
                .samples = training.samples,
                // --until-error may end it at any epoch.
                .train_samples = flags.until_error.has_value()
                                     ? 0
                                     : flags.most_epochs() * training.samples});
  if (!spec.ok()) return spec.status();
  absl::Status fits = CheckFits(training, *spec, "the data");
  if (!fits.ok()) return UsageError("--layers", std::string(fits.message()));
  fits = CheckTrainData(flags, data, *spec);
  if (!fits.ok()) return fits;
  v1::CreateSessionRequest request;
  *request.mutable_spec() = *std::move(spec);
  return client.CreateSession(request);
}

absl::StatusOr<v1::Session> Find(TrainingClient& client,
                                 const TrainFlags& flags,
                                 const TrainData& data) {
  absl::StatusOr<v1::Session> session = client.GetSession(flags.session_id);
  if (!session.ok()) return session;
  absl::Status fits = CheckTrainData(flags, data, session->spec());
  if (!fits.ok()) return fits;
  return session;
}

// A stream that was cancelled may hold its session for a moment yet.
absl::Status Forget(TrainingClient& client, const std::string& session_id) {
  absl::Status status = client.DeleteSession(session_id);
  for (int i = 0; i < kForgetTries && ReasonOf(status) == "SESSION_BUSY"; ++i) {
    std::this_thread::sleep_for(kForgetPause);
    status = client.DeleteSession(session_id);
  }
  return status;
}

// Whether the replica's weights are those that the server has now.
absl::StatusOr<ReplicaCheck> CheckReplica(TrainingClient& client,
                                          const std::string& session_id,
                                          const Replica& replica) {
  absl::StatusOr<Weights> weights =
      client.DownloadWeights(session_id, /*with_state=*/true);
  if (!weights.ok()) return weights.status();
  return ReplicaCheck{.verdict = replica.Verify(*weights),
                      .digest = replica.digest(),
                      .server_digest = weights->digest};
}

// Epoch after epoch, until there are enough or the error is small enough.
absl::Status TrainEpochs(TrainingClient& client, const TrainFlags& flags,
                         const TrainData& data, const v1::Session& session,
                         const TrainReport& report, TrainingRun& run,
                         Progress& progress, TestResult* test) {
  const size_t epochs = flags.most_epochs();
  for (size_t epoch = 1; epoch <= epochs && !run.interrupted(); ++epoch) {
    auto result =
        run.Epoch(absl::StrFormat("epoch %d/%d", epoch, epochs), progress);
    if (!result.ok()) return result.status();
    if (result->samples == 0) break;  // interrupted before anything was sent
    if (data.test.has_value()) {
      auto tested = EvaluateDataset(client, session.session_id(), *data.test);
      if (!tested.ok()) return tested.status();
      *test = *std::move(tested);
    }
    report.Epoch(epoch, *result, *test);
    if (!flags.until_error.has_value()) continue;
    if (result->error <= *flags.until_error) break;
    if (epoch == epochs)
      report.Note(
          absl::StrFormat("the error did not fall to %g", *flags.until_error));
  }
  return absl::OkStatus();
}

absl::Status TrainOn(TrainingClient& client, const TrainFlags& flags,
                     const TrainData& data, const v1::Session& session,
                     const TrainReport& report) {
  SampleFeed feed(
      data.training, session.spec().batch_size(), flags.samples_per_message,
      flags.no_shuffle ? std::nullopt : std::optional(flags.spec.seed));
  auto run = TrainingRun::Open(client, session, feed, !flags.no_replica);
  if (!run.ok()) return run.status();
  TestResult test;
  Progress progress;
  absl::Status status = (*run)->Learn(progress);
  if (!status.ok()) return status;
  status =
      TrainEpochs(client, flags, data, session, report, **run, progress, &test);
  if (!status.ok()) return status;
  std::optional<ReplicaCheck> check;
  if ((*run)->replica() != nullptr) {
    // Before the stream is closed: until then nobody else can train.
    auto checked =
        CheckReplica(client, session.session_id(), *(*run)->replica());
    if (!checked.ok()) return checked.status();
    check = *checked;
  }
  status = (*run)->Close();
  if (!status.ok()) return status;
  report.End((*run)->totals(), test, check, feed.left_over());
  if ((*run)->interrupted())
    return absl::CancelledError(absl::StrFormat(
        "interrupted after %s steps", Grouped((*run)->totals().steps)));
  if (check.has_value() && !check->verdict.ok()) return check->verdict;
  if (flags.require_accuracy.has_value() && test.has_value() &&
      test->accuracy() < *flags.require_accuracy)
    return absl::FailedPreconditionError(absl::StrFormat(
        "test accuracy %.4f is below --require-accuracy %.4f: train more "
        "--epochs, or try another --learning-rate",
        test->accuracy(), *flags.require_accuracy));
  return absl::OkStatus();
}

absl::Status Train(const GlobalFlags& global, const TrainFlags& flags) {
  absl::StatusOr<TrainData> data = LoadTrainData(flags);
  if (!data.ok()) return data.status();
  TrainingClient client(global.address, global.client);
  const bool created = flags.session_id.empty();
  absl::StatusOr<v1::Session> session =
      created ? Create(client, flags, *data) : Find(client, flags, *data);
  if (!session.ok()) return session.status();
  CatchInterrupt();
  const TrainReport report(global.json, flags.most_epochs(), *session);
  report.Begin(data->training, created);
  absl::Status status = TrainOn(client, flags, *data, *session, report);
  if (created && !flags.keep_session) {
    absl::Status forgotten = Forget(client, session->session_id());
    return status.ok() ? forgotten : status;
  }
  if (absl::IsUnavailable(status) || absl::IsNotFound(status)) return status;
  report.Kept();
  return status;
}

}  // namespace

void AddTrainCommand(CLI::App& app, const GlobalFlags& global, Action& action) {
  CLI::App* command =
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
