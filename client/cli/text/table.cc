// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/table.h"

#include <algorithm>

namespace backprop::cli {
namespace {

// As many as a terminal shows, more or less: UTF-8's characters, not its bytes.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  }));
}

std::string RowText(const std::vector<Column>& columns,
                    const std::vector<size_t>& widths,
                    const std::vector<std::string>& row) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string room(widths[i] - Width(row[i]), ' ');
    if (i > 0) line += "  ";
    line += columns[i].align == Align::kRight ? room + row[i] : row[i] + room;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string TableText(const std::vector<Column>& columns,
                      const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (const Column& column : columns) {
    titles.push_back(column.title);
    widths.push_back(Width(column.title));
  }
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Width(row[i]));
    }
  }
  std::string text;
  if (std::any_of(titles.begin(), titles.end(),
                  [](const std::string& title) { return !title.empty(); })) {
    text = RowText(columns, widths, titles);
  }
  for (const std::vector<std::string>& row : rows) {
    text += RowText(columns, widths, row);
  }
  return text;
}

}  // namespace backprop::cli
