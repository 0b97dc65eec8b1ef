// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_CSV_READER_H_
#define BACKPROP_CLIENT_CLI_DATA_CSV_READER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop::cli {

// A table of text (RFC 4180: commas, cells in double quotes may hold commas,
// line ends and doubled quotes; CRLF or LF). Empty lines are skipped.
struct CsvTable {
  struct Row {
    size_t line = 0;  // in the file, from 1, for error texts
    std::vector<std::string> cells;
  };

  std::string name;  // of the file, for error texts
  // From the first line, if any cell of it is no number; else "0", "1", …
  std::vector<std::string> columns;
  std::vector<Row> rows;  // at least one, each as long as columns
};

// text: a whole file's. Errors name the line.
absl::StatusOr<CsvTable> ParseCsv(std::string_view text,
                                  const std::string& name);

// The place of a column given by its name, or by its number: from 0, or from
// the end, where -1 is the last. An error lists the columns that there are.
absl::StatusOr<size_t> FindColumn(const CsvTable& table,
                                  const std::string& column);

// False unless the whole cell, blanks around it aside, is a finite number.
bool ParseNumber(std::string_view cell, float* number);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_CSV_READER_H_
