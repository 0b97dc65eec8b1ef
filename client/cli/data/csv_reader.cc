// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/csv_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace backprop::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kColumnsListed = 20;

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Reads rows off the front of a text.
class RowReader {
 public:
  explicit RowReader(std::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ >= text_.size(); }
  size_t line() const { return line_; }

  // False: a quote is never closed.
  bool Read(CsvTable::Row* row) {
    row->line = line_;
    row->cells.clear();
    do {
      row->cells.emplace_back();
      if (!ReadCell(&row->cells.back())) return false;
    } while (at_ < text_.size() && text_[at_++] == ',');
    ++line_;
    return true;
  }

 private:
  // Stops at the comma or line end behind the cell, or at the text's end.
  bool ReadCell(std::string* cell) {
    if (at_ < text_.size() && text_[at_] == '"') {
      for (++at_;; ++at_) {
        if (at_ >= text_.size()) return false;
        if (text_[at_] == '\n') ++line_;
        if (text_[at_] == '"') {
          if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
          ++at_;
        }
        cell->push_back(text_[at_]);
      }
      ++at_;
    }
    const size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    cell->append(text_.substr(at_, end - at_));
    at_ = end;
    const bool line_end = at_ >= text_.size() || text_[at_] == '\n';
    if (line_end && !cell->empty() && cell->back() == '\r') cell->pop_back();
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
};

bool IsHeader(const CsvTable::Row& row) {
  float number = 0;
  return !std::all_of(
      row.cells.begin(), row.cells.end(),
      [&](const std::string& cell) { return ParseNumber(cell, &number); });
}

}  // namespace

bool ParseNumber(std::string_view cell, float* number) {
  cell = Trimmed(cell);
  // from_chars takes no plus sign.
  if (cell.starts_with('+') && !cell.starts_with("+-")) cell.remove_prefix(1);
  const auto [end, error] =
      std::from_chars(cell.data(), cell.data() + cell.size(), *number);
  return error == std::errc() && end == cell.data() + cell.size() &&
         std::isfinite(*number);
}

absl::StatusOr<CsvTable> ParseCsv(std::string_view text,
                                  const std::string& name) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(3);
  CsvTable table;
  table.name = name;
  RowReader reader(text);
  CsvTable::Row row;
  while (!reader.AtEnd()) {
    const size_t line = reader.line();
    if (!reader.Read(&row)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s, line %d: a double quote is never closed", name, line));
    }
    if (row.cells.size() == 1 && Trimmed(row.cells[0]).empty()) continue;
    if (table.columns.empty()) {
      const bool header = IsHeader(row);
      for (size_t i = 0; i < row.cells.size(); ++i) {
        table.columns.push_back(header ? std::string(Trimmed(row.cells[i]))
                                       : std::to_string(i));
      }
      if (header) continue;
    }
    if (row.cells.size() != table.columns.size()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s, line %d: %d cells where the first line has %d",
                          name, line, row.cells.size(), table.columns.size()));
    }
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) {
    return absl::InvalidArgumentError(name + " has no rows of data");
  }
  return table;
}

absl::StatusOr<size_t> FindColumn(const CsvTable& table,
                                  const std::string& column) {
  const auto& columns = table.columns;
  const auto named = std::find(columns.begin(), columns.end(), column);
  if (named != columns.end()) {
    return static_cast<size_t>(named - columns.begin());
  }
  long long number = 0;
  const char* last = column.data() + column.size();
  const auto [end, error] = std::from_chars(column.data(), last, number);
  const auto count = static_cast<long long>(columns.size());
  if (number < 0) number += count;
  if (error == std::errc() && end == last && number >= 0 && number < count) {
    return static_cast<size_t>(number);
  }
  const size_t listed = std::min(columns.size(), kColumnsListed);
  return absl::NotFoundError(absl::StrFormat(
      "%s has no column '%s'; it has: %s%s", table.name, column,
      absl::StrJoin(columns.begin(), columns.begin() + listed, ", "),
      listed < columns.size() ? ", …" : ""));
}

}  // namespace backprop::cli
