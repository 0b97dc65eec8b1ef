// SPDX-License-Identifier: Apache-2.0
//
// The flags that name data: IDX (--images, --labels) or CSV (--csv, --target).
#ifndef BACKPROP_CLIENT_CLI_FLAGS_DATA_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_DATA_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/data/dataset.h"
#include "client/cli/flags/command_line.h"

namespace backprop::cli {

// One source of samples.
struct DataSource {
  // The flags' names begin with this: "--" or "--test-".
  std::string prefix = "--";
  std::string images, labels, csv;  // paths; "-" is standard input

  bool given() const { return !images.empty() || !csv.empty(); }
  // For error texts: the flag and file that the samples come from.
  std::string name() const;
};

// How CSV is to be read; shared by training and test data.
struct CsvFlags {
  std::string target;
  bool regression = false;
  std::vector<std::string> classes;
};

// Whether the target's column and the labels are read.
enum class Targets { kRead, kLeftOut };

void AddDataSource(Command& app, DataSource* source);
void AddCsvFlags(Command& app, CsvFlags* flags);

// Usage errors that show before any file is read. kRead: images alone will not
// do, nor CSV without --target.
absl::Status CheckDataSource(const DataSource& source, const CsvFlags& flags,
                             Targets targets);

// Reads the files. REQUIRES: CheckDataSource was OK.
absl::StatusOr<Dataset> LoadData(const DataSource& source,
                                 const CsvFlags& flags, Targets targets);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_DATA_FLAGS_H_
