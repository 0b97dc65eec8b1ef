// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data_flags.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/csv_reader.h"
#include "client/cli/file_bytes.h"
#include "client/cli/idx_reader.h"

namespace backprop::cli {
namespace {

absl::StatusOr<IdxArray> LoadIdx(const std::string& flag,
                                 const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path);
  absl::StatusOr<IdxArray> array =
      bytes.ok() ? ParseIdx(*std::move(bytes), path)
                 : absl::StatusOr<IdxArray>(bytes.status());
  if (array.ok()) return array;
  return absl::Status(array.status().code(),
                      absl::StrCat(flag, ": ", array.status().message()));
}

absl::StatusOr<Dataset> LoadCsv(const DataSource& source,
                                const CsvFlags& flags) {
  absl::StatusOr<std::string> text = ReadFile(source.csv);
  if (!text.ok()) return text.status();
  absl::StatusOr<CsvTable> table =
      ParseCsv(*text, source.csv == "-" ? "standard input" : source.csv);
  if (!table.ok()) return table.status();
  if (!flags.target.empty()) {
    absl::StatusOr<size_t> column = FindColumn(*table, flags.target);
    if (!column.ok())
      return UsageError("--target", std::string(column.status().message()));
  }
  return DatasetFromCsv(*table,
                        {flags.target, flags.regression, flags.classes});
}

}  // namespace

std::string DataSource::name() const {
  return csv.empty() ? absl::StrCat(prefix, "images ", images)
                     : absl::StrCat(prefix, "csv ", csv);
}

void AddDataSource(CLI::App& app, DataSource* source) {
  const std::string what = source->prefix == "--" ? "" : "Test data: ";
  app.add_option(source->prefix + "images", source->images,
                 what + "IDX file of images, may be .gz; '-': standard input");
  app.add_option(source->prefix + "labels", source->labels,
                 what + "IDX file of the images' classes, may be .gz");
  app.add_option(source->prefix + "csv", source->csv,
                 what + "CSV file, may be .gz; '-': standard input");
}

void AddCsvFlags(CLI::App& app, CsvFlags* flags) {
  app.add_option("--target", flags->target,
                 "CSV column to be predicted: its name, or its number from 0 "
                 "(-1: the last)");
  app.add_flag("--regression", flags->regression,
               "The CSV target is a number to be met, not a class");
  app.add_option("--classes", flags->classes,
                 "CSV class names in the order of their numbers, "
                 "comma-separated [found in the data]")
      ->delimiter(',');
}

absl::Status CheckDataSource(const DataSource& source, const CsvFlags& flags,
                             bool need_targets) {
  const std::string& prefix = source.prefix;
  if (!source.images.empty() && !source.csv.empty())
    return UsageError(prefix + "csv",
                      "give either this or " + prefix + "images, not both");
  if (!source.labels.empty() && source.images.empty())
    return UsageError(prefix + "labels", "needs " + prefix + "images too");
  if (!source.given())
    return UsageError(prefix + "images",
                      "name the data: " + prefix + "images with " + prefix +
                          "labels, or " + prefix + "csv with --target");
  if (source.images == "-" && source.labels == "-")
    return UsageError(prefix + "labels",
                      "images and labels cannot both be standard input");
  if (need_targets && !source.images.empty() && source.labels.empty())
    return UsageError(prefix + "labels",
                      "name the IDX file with the images' classes");
  if (need_targets && !source.csv.empty() && flags.target.empty())
    return UsageError("--target", "name the CSV column to be predicted");
  return absl::OkStatus();
}

absl::StatusOr<Dataset> LoadData(const DataSource& source,
                                 const CsvFlags& flags) {
  if (!source.csv.empty()) {
    absl::StatusOr<Dataset> dataset = LoadCsv(source, flags);
    if (dataset.ok() || IsUsageError(dataset.status())) return dataset;
    return absl::Status(
        dataset.status().code(),
        absl::StrCat(source.prefix, "csv: ", dataset.status().message()));
  }
  absl::StatusOr<IdxArray> images =
      LoadIdx(source.prefix + "images", source.images);
  if (!images.ok()) return images.status();
  std::optional<IdxArray> labels;
  if (!source.labels.empty()) {
    absl::StatusOr<IdxArray> read =
        LoadIdx(source.prefix + "labels", source.labels);
    if (!read.ok()) return read.status();
    labels = *std::move(read);
  }
  absl::StatusOr<Dataset> dataset = DatasetFromIdx(*std::move(images), labels);
  if (dataset.ok()) return dataset;
  return absl::Status(
      dataset.status().code(),
      absl::StrCat(source.prefix, "labels: ", dataset.status().message()));
}

}  // namespace backprop::cli
