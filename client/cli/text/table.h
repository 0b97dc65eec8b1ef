// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_TEXT_TABLE_H_
#define BACKPROP_CLIENT_CLI_TEXT_TABLE_H_

#include <string>
#include <vector>

namespace backprop::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

// Rows under their titles, each column as wide as its longest entry and two
// spaces from the next; every line ends with a newline and without spaces.
// Without any title there is no line for them. REQUIRES: as many entries in
// each row as there are columns.
std::string TableText(const std::vector<Column>& columns,
                      const std::vector<std::vector<std::string>>& rows);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_TABLE_H_
