// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/data_flags.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/data/csv_reader.h"
#include "client/cli/data/file_bytes.h"
#include "client/cli/data/idx_reader.h"
#include "client/cli/flags/command.h"

namespace backprop::cli {
namespace {

constexpr char kDataGroup[] = "Data";

absl::StatusOr<IdxArray> LoadIdx(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  return ParseIdx(*std::move(bytes), path);
}

// path: "-" is standard input.
absl::StatusOr<Dataset> LoadCsv(const std::string& path, const CsvFlags& flags,
                                Targets targets) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<CsvTable> table =
      ParseCsv(*text, path == "-" ? "standard input" : path);
  if (!table.ok()) return table.status();
  CsvTarget target{.column = flags.target,
                   .regression = flags.regression,
                   .left_out = targets == Targets::kLeftOut,
                   .class_names = flags.classes};
  if (!target.column.empty()) {
    absl::StatusOr<size_t> column = FindColumn(*table, target.column);
    // Data to be predicted may well come without its target.
    if (!column.ok() && target.left_out) {
      target.column.clear();
    } else if (!column.ok()) {
      return UsageError("--target", std::string(column.status().message()));
    }
  }
  return DatasetFromCsv(*table, target);
}

// The same error, saying which flag it is about.
absl::Status Under(const std::string& flag, const absl::Status& status) {
  if (status.ok() || IsUsageError(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat(flag, ": ", std::string(status.message())));
}

absl::StatusOr<Dataset> LoadImages(const DataSource& source, Targets targets) {
  absl::StatusOr<IdxArray> images = LoadIdx(source.images);
  if (!images.ok()) return Under(source.prefix + "images", images.status());
  std::optional<IdxArray> labels;
  if (!source.labels.empty() && targets == Targets::kRead) {
    absl::StatusOr<IdxArray> read = LoadIdx(source.labels);
    if (!read.ok()) return Under(source.prefix + "labels", read.status());
    labels = *std::move(read);
  }
  absl::StatusOr<Dataset> dataset = DatasetFromIdx(*std::move(images), labels);
  if (!dataset.ok()) return Under(source.prefix + "labels", dataset.status());
  return dataset;
}

}  // namespace

std::string DataSource::name() const {
  return csv.empty() ? absl::StrCat(prefix, "images ", images)
                     : absl::StrCat(prefix, "csv ", csv);
}

void AddDataSource(Command& app, DataSource* source) {
  const std::string what = source->prefix == "--" ? "" : "Test data: ";
  const auto add = [&](const char* name, std::string* path, const char* help) {
    app.add_option(source->prefix + name, *path, what + help)
        ->type_name("FILE")
        ->group(kDataGroup);
  };
  add("images", &source->images, "IDX of images, may be .gz; '-': stdin");
  add("labels", &source->labels, "IDX of the images' classes, may be .gz");
  add("csv", &source->csv, "CSV, may be .gz; '-': stdin");
}

void AddCsvFlags(Command& app, CsvFlags* flags) {
  app.add_option("--target", flags->target,
                 "CSV column to be predicted: its name, or its number from 0 "
                 "(-1: the last)")
      ->type_name("COLUMN")
      ->group(kDataGroup);
  app.add_flag("--regression", flags->regression,
               "The CSV target is a number to be met, not a class")
      ->group(kDataGroup);
  app.add_option("--classes", flags->classes,
                 "CSV class names in the order of their numbers, "
                 "comma-separated [found in the data]")
      ->type_name("NAME")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(kDataGroup);
}

absl::Status CheckDataSource(const DataSource& source, const CsvFlags& flags,
                             Targets targets) {
  const std::string& prefix = source.prefix;
  if (!source.images.empty() && !source.csv.empty()) {
    return UsageError(prefix + "csv",
                      "give either this or " + prefix + "images, not both");
  }
  if (!source.labels.empty() && source.images.empty()) {
    return UsageError(prefix + "labels", "needs " + prefix + "images too");
  }
  if (!source.given() && targets == Targets::kLeftOut) {
    return UsageError(prefix + "images", "name the data: " + prefix +
                                             "images or " + prefix + "csv");
  }
  if (!source.given()) {
    return UsageError(prefix + "images",
                      "name the data: " + prefix + "images with " + prefix +
                          "labels, or " + prefix + "csv with --target");
  }
  if (source.images == "-" && source.labels == "-") {
    return UsageError(prefix + "labels",
                      "images and labels cannot both be standard input");
  }
  if (targets == Targets::kLeftOut) return absl::OkStatus();
  if (!source.images.empty() && source.labels.empty()) {
    return UsageError(prefix + "labels",
                      "name the IDX file with the images' classes");
  }
  if (!source.csv.empty() && flags.target.empty()) {
    return UsageError("--target", "name the CSV column to be predicted");
  }
  return absl::OkStatus();
}

absl::StatusOr<Dataset> LoadData(const DataSource& source,
                                 const CsvFlags& flags, Targets targets) {
  if (source.csv.empty()) return LoadImages(source, targets);
  absl::StatusOr<Dataset> dataset = LoadCsv(source.csv, flags, targets);
  if (!dataset.ok()) return Under(source.prefix + "csv", dataset.status());
  return dataset;
}

}  // namespace backprop::cli
