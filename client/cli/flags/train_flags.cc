// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/train_flags.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "client/cli/flags/command.h"

namespace backprop::cli {
namespace {

constexpr char kRunGroup[] = "Run";

// Where --until-error stops at the latest unless --epochs says otherwise.
constexpr size_t kMostEpochs = 1000;

// More epochs, or samples a message, are a mistake.
constexpr uint64_t kMostOfAnything = 1'000'000'000;

absl::Status CheckSources(const TrainFlags& flags) {
  absl::Status status =
      CheckDataSource(flags.training, flags.csv, Targets::kRead);
  if (!status.ok() || !flags.test_given()) return status;
  status = CheckDataSource(flags.test, flags.csv, Targets::kRead);
  if (!status.ok()) return status;
  const auto from_stdin = [](const DataSource& source) {
    return source.images == "-" || source.labels == "-" || source.csv == "-";
  };
  if (from_stdin(flags.training) && from_stdin(flags.test)) {
    return UsageError(flags.test.name(),
                      "standard input holds the training data already");
  }
  return absl::OkStatus();
}

}  // namespace

size_t TrainFlags::most_epochs() const {
  if (epochs != 0) return epochs;
  return until_error.has_value() ? kMostEpochs : 1;
}

void AddTrainFlags(Command& command, TrainFlags* flags) {
  AddDataSource(command, &flags->training);
  AddDataSource(command, &flags->test);
  AddCsvFlags(command, &flags->csv);
  AddSpecFlags(command, &flags->spec);
  command
      .add_option("--session", flags->session_id,
                  "Go on with this session; its spec is as it was made")
      ->type_name("ID")
      ->group(kRunGroup);
  command
      .add_option("--epochs", flags->epochs, "Times to go through the data [1]")
      ->check(WholeNumber(1, kMostOfAnything))
      ->type_name("COUNT")
      ->group(kRunGroup);
  command
      .add_option("--until-error", flags->until_error,
                  absl::StrFormat("Stop after the epoch whose mean error is "
                                  "this small [--epochs %d]",
                                  kMostEpochs))
      ->check(RealNumber())
      ->type_name("ERROR")
      ->group(kRunGroup);
  command
      .add_option("--samples-per-message", flags->samples_per_message,
                  "More: faster; fewer: answers come sooner")
      ->check(WholeNumber(1, kMostOfAnything))
      ->type_name("COUNT")
      ->capture_default_str()
      ->group(kRunGroup);
  command
      .add_flag("--no-shuffle", flags->no_shuffle,
                "Samples in the data's order, not in another each epoch")
      ->group(kRunGroup);
  command
      .add_flag("--no-replica", flags->no_replica,
                "Keep no copy of the weights here, and get no deltas")
      ->group(kRunGroup);
  command
      .add_option("--output", flags->output,
                  "Write the replica's weights to this file at the end, also "
                  "when training fails: little-endian float32, or NumPy's "
                  "format if it ends in .npy")
      ->type_name("FILE")
      ->group(kRunGroup);
  command
      .add_flag("--keep-session", flags->keep_session,
                "Do not delete the session at the end")
      ->group(kRunGroup);
  AddReconnectFlag(command, &flags->reconnect)->group(kRunGroup);
  command
      .add_option("--require-accuracy", flags->require_accuracy,
                  "Fail (exit code 1) if the test accuracy, 0 to 1, is below")
      ->check(RealNumber())
      ->type_name("SHARE")
      ->group(kRunGroup);
}

absl::Status CheckTrainFlags(const Command& command, const TrainFlags& flags) {
  absl::Status status = CheckSources(flags);
  if (!status.ok()) return status;
  if (flags.require_accuracy.has_value()) {
    if (!flags.test_given()) {
      return UsageError("--require-accuracy",
                        "needs test data: name --test-images and "
                        "--test-labels, or --test-csv");
    }
    if (!(*flags.require_accuracy >= 0 && *flags.require_accuracy <= 1)) {
      return UsageError("--require-accuracy",
                        "must be a share from 0 to 1, e.g. 0.85");
    }
    if (flags.csv.regression) {
      return UsageError("--require-accuracy",
                        "is for classes; of a number to be met only the error "
                        "says how well it is met");
    }
  }
  if (!flags.output.empty() && flags.no_replica) {
    return UsageError("--output",
                      "writes the replica's weights; leave --no-replica out");
  }
  if (flags.output == "-") {
    return UsageError("--output",
                      "name a file: standard output tells of the training");
  }
  if (flags.session_id.empty()) return absl::OkStatus();
  const std::string flag = FirstSpecFlag(command);
  if (!flag.empty()) {
    return UsageError(flag,
                      "a session keeps the spec that it was made with; leave "
                      "this out, or leave --session out to make another. What "
                      "can change: backprop session update --help");
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainData> LoadTrainData(const TrainFlags& flags) {
  absl::StatusOr<Dataset> training =
      LoadData(flags.training, flags.csv, Targets::kRead);
  if (!training.ok()) return training.status();
  TrainData data{*std::move(training), std::nullopt};
  if (flags.test_given()) {
    CsvFlags csv = flags.csv;
    csv.classes = data.training.class_names;
    absl::StatusOr<Dataset> test = LoadData(flags.test, csv, Targets::kRead);
    if (!test.ok()) return test.status();
    if (test->class_names != data.training.class_names) {
      return absl::InvalidArgumentError(
          flags.test.name() +
          " has class names where the training data has class numbers");
    }
    data.test = *std::move(test);
  }
  return data;
}

absl::Status CheckTrainData(const TrainFlags& flags, const TrainData& data,
                            const v1::SessionSpec& spec) {
  absl::Status status = CheckFits(data.training, spec, flags.training.name());
  if (status.ok() && data.test.has_value()) {
    status = CheckFits(*data.test, spec, flags.test.name());
  }
  if (!status.ok()) return status;
  if (data.training.samples < spec.batch_size()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s has %d samples, fewer than the %d of one step: give more, or make "
        "a session of a smaller --batch-size",
        flags.training.name(), data.training.samples, spec.batch_size()));
  }
  if (flags.session_id.empty() || !flags.csv.classes.empty()) {
    return absl::OkStatus();
  }
  status = CheckClassNumbers(data.training, spec);
  if (status.ok()) return status;
  return UsageError("--classes", std::string(status.message()));
}

}  // namespace backprop::cli
