// SPDX-License-Identifier: Apache-2.0
//
// backprop train: makes a session (or goes on with one), streams samples into
// it, keeps a replica, and says how well it went.
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cli/command.h"
#include "client/cli/data_flags.h"
#include "client/cli/evaluation.h"
#include "client/cli/interrupt.h"
#include "client/cli/progress.h"
#include "client/cli/sample_feed.h"
#include "client/cli/spec_flags.h"
#include "client/cli/train_report.h"
#include "client/cli/training_run.h"
#include "client/cpp/call_status.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

// Where --until-error stops at the latest unless --epochs says otherwise.
constexpr size_t kMostEpochs = 1000;

struct TrainFlags {
  DataSource training;
  DataSource test{"--test-", "", "", ""};
  CsvFlags csv;
  SpecFlags spec;
  std::string session_id;  // empty: make a session
  size_t epochs = 0;       // 0: 1, or kMostEpochs with until_error
  size_t samples_per_message = 32;
  std::optional<double> until_error;
  std::optional<double> require_accuracy;
  bool standardise = false;
  bool no_replica = false;
  bool shuffle = true;
  bool keep_session = false;
};

struct TrainData {
  Dataset training;
  std::optional<Dataset> test;
};

absl::Status CheckFlags(const TrainFlags& flags) {
  absl::Status status = CheckDataSource(flags.training, flags.csv, true);
  const bool test = flags.test.given() || !flags.test.labels.empty();
  if (status.ok() && test)
    status = CheckDataSource(flags.test, flags.csv, true);
  if (!status.ok()) return status;
  if (flags.require_accuracy.has_value() && !test)
    return UsageError("--require-accuracy",
                      "needs test data: name --test-images and --test-labels, "
                      "or --test-csv");
  if (flags.standardise &&
      (flags.training.csv.empty() || (test && flags.test.csv.empty())))
    return UsageError("--standardise",
                      "works on CSV data; pixels are scaled to 0…1 anyway");
  if (flags.samples_per_message == 0)
    return UsageError("--samples-per-message", "must be at least 1");
  return absl::OkStatus();
}

absl::StatusOr<TrainData> LoadAll(const TrainFlags& flags) {
  absl::StatusOr<Dataset> training = LoadData(flags.training, flags.csv);
  if (!training.ok()) return training.status();
  TrainData data{*std::move(training), std::nullopt};
  if (flags.test.given()) {
    // Class numbers must mean the same in both.
    CsvFlags csv = flags.csv;
    csv.classes = data.training.class_names;
    absl::StatusOr<Dataset> test = LoadData(flags.test, csv);
    if (!test.ok()) return test.status();
    data.test = *std::move(test);
  }
  if (flags.standardise) {
    const InputStatistics statistics = StatisticsOf(data.training);
    Standardise(statistics, &data.training);
    if (data.test.has_value()) Standardise(statistics, &*data.test);
  }
  return data;
}

absl::StatusOr<v1::Session> FindOrCreate(TrainingClient& client,
                                         const TrainFlags& flags,
                                         const TrainData& data) {
  const Dataset& training = data.training;
  v1::CreateSessionRequest request;
  if (flags.session_id.empty()) {
    absl::StatusOr<v1::SessionSpec> spec =
        MakeSpec(flags.spec,
                 {.input_size = static_cast<uint32_t>(training.input_size),
                  .output_size = static_cast<uint32_t>(training.output_size()),
                  .regression = flags.csv.regression,
                  .format = training.format});
    if (!spec.ok()) return spec.status();
    *request.mutable_spec() = *std::move(spec);
    absl::Status fits = CheckFits(training, request.spec(), "the data");
    if (!fits.ok()) return UsageError("--layers", std::string(fits.message()));
  }
  absl::StatusOr<v1::Session> session =
      flags.session_id.empty() ? client.CreateSession(request)
                               : client.GetSession(flags.session_id);
  if (!session.ok()) return session;
  absl::Status fits =
      CheckFits(training, session->spec(), flags.training.name());
  if (fits.ok() && data.test.has_value())
    fits = CheckFits(*data.test, session->spec(), flags.test.name());
  if (fits.ok()) return session;
  if (flags.session_id.empty())
    (void)client.DeleteSession(session->session_id());
  return fits;
}

// Whether the replica's weights are those that the server has now.
absl::StatusOr<ReplicaCheck> CheckReplica(TrainingClient& client,
                                          const std::string& session_id,
                                          const Replica& replica) {
  absl::StatusOr<Weights> weights = client.DownloadWeights(session_id);
  if (!weights.ok()) return weights.status();
  ReplicaCheck check{.digest = replica.digest(),
                     .server_digest = weights->digest};
  check.identical = replica.sound() && check.digest == check.server_digest &&
                    replica.step() == weights->step;
  return check;
}

absl::Status TrainOn(TrainingClient& client, const TrainFlags& flags,
                     const TrainData& data, const v1::Session& session,
                     const TrainReport& report, size_t epochs) {
  SampleFeed feed(
      data.training, session.spec().batch_size(), flags.samples_per_message,
      flags.shuffle ? std::optional(flags.spec.seed) : std::nullopt);
  auto run = TrainingRun::Open(client, session, feed, !flags.no_replica);
  if (!run.ok()) return run.status();
  Progress progress;
  TestResult test;
  for (size_t epoch = 1; epoch <= epochs && !(*run)->interrupted(); ++epoch) {
    auto result =
        (*run)->Epoch(absl::StrFormat("epoch %d/%d", epoch, epochs), progress);
    if (!result.ok()) return result.status();
    if (data.test.has_value()) {
      auto tested = EvaluateDataset(client, session.session_id(), *data.test);
      if (!tested.ok()) return tested.status();
      test = *std::move(tested);
    }
    report.Epoch(epoch, *result, test);
    if (flags.until_error.has_value() && result->error <= *flags.until_error)
      break;
  }
  absl::Status status = (*run)->Close();
  if (!status.ok()) return status;
  std::optional<ReplicaCheck> check;
  if ((*run)->replica() != nullptr) {
    auto checked =
        CheckReplica(client, session.session_id(), *(*run)->replica());
    if (!checked.ok()) return checked.status();
    check = *checked;
  }
  report.End(session, (*run)->totals(), test, check, feed.left_over());
  if ((*run)->interrupted()) return absl::CancelledError("interrupted");
  if (check.has_value() && !check->identical)
    return absl::DataLossError("the replica differs from the server's weights");
  if (flags.require_accuracy.has_value() &&
      test->accuracy() < *flags.require_accuracy)
    return absl::FailedPreconditionError(absl::StrFormat(
        "test accuracy %.4f is below --require-accuracy %.4f: train more "
        "--epochs, or try another --learning-rate",
        test->accuracy(), *flags.require_accuracy));
  return absl::OkStatus();
}

absl::Status Train(const GlobalFlags& global, const TrainFlags& flags) {
  absl::Status status = CheckFlags(flags);
  if (!status.ok()) return status;
  absl::StatusOr<TrainData> data = LoadAll(flags);
  if (!data.ok()) return data.status();
  const size_t epochs = flags.epochs != 0               ? flags.epochs
                        : flags.until_error.has_value() ? kMostEpochs
                                                        : 1;
  TrainingClient client(global.address);
  absl::StatusOr<v1::Session> session = FindOrCreate(client, flags, *data);
  if (!session.ok()) return session.status();
  CatchInterrupt();
  const bool created = flags.session_id.empty();
  const TrainReport report(global.json, epochs);
  report.Begin(*session, data->training, created);
  status = TrainOn(client, flags, *data, *session, report, epochs);
  if (created && !flags.keep_session) {
    absl::Status deleted = client.DeleteSession(session->session_id());
    return status.ok() ? deleted : status;
  }
  if (ReasonOf(status) != "SESSION_NOT_FOUND") report.Kept(*session);
  return status;
}

}  // namespace

void AddTrainCommand(CLI::App& app, const GlobalFlags& global, Action& action) {
  CLI::App* command =
      app.add_subcommand("train", "Train a network on images or a table");
  auto flags = std::make_shared<TrainFlags>();
  AddDataSource(*command, &flags->training);
  AddDataSource(*command, &flags->test);
  AddCsvFlags(*command, &flags->csv);
  command->add_flag("--standardise", flags->standardise,
                    "Bring each CSV input to mean 0 and deviation 1, by the "
                    "training data");
  AddSpecFlags(*command, &flags->spec);
  command->add_option("--session", flags->session_id,
                      "Go on with this session; its spec is as it was made");
  command->add_option("--epochs", flags->epochs,
                      "Times to go through the data [1]");
  command->add_option("--until-error", flags->until_error,
                      "Stop after the epoch whose mean error is this small");
  command
      ->add_option("--samples-per-message", flags->samples_per_message,
                   "More: faster; fewer: answers come sooner")
      ->capture_default_str();
  command->add_flag("--shuffle,!--no-shuffle", flags->shuffle,
                    "Another order of samples in each epoch [on]");
  command->add_flag("--no-replica", flags->no_replica,
                    "Do not keep a copy of the weights here");
  command->add_flag("--keep-session", flags->keep_session,
                    "Do not delete the session at the end");
  command->add_option("--require-accuracy", flags->require_accuracy,
                      "Fail (exit code 1) if the test accuracy is below");
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Train(global, *flags); };
  });
}

}  // namespace backprop::cli
