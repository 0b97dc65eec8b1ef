// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/dataset.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"

namespace backprop::cli {
namespace {

// A class number beyond this is surely no class.
constexpr uint32_t kMostClasses = 1 << 20;

bool ParseClass(const std::string& cell, uint32_t* number) {
  const char* last = cell.data() + cell.size();
  const auto [end, error] = std::from_chars(cell.data(), last, *number);
  return error == std::errc() && end == last && *number < kMostClasses;
}

absl::Status ReadClasses(const CsvTable& table, size_t column,
                         const CsvTarget& target, Dataset* dataset) {
  dataset->class_names = target.class_names;
  uint32_t number = 0;
  if (target.class_names.empty() &&
      !std::all_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
        return ParseClass(row.cells[column], &number);
      })) {
    std::set<std::string> names;
    for (const CsvTable::Row& row : table.rows) names.insert(row.cells[column]);
    dataset->class_names.assign(names.begin(), names.end());
  }
  const auto& names = dataset->class_names;
  for (const CsvTable::Row& row : table.rows) {
    const std::string& cell = row.cells[column];
    if (names.empty()) {
      ParseClass(cell, &number);
    } else {
      const auto name = std::find(names.begin(), names.end(), cell);
      if (name == names.end()) {
        return absl::InvalidArgumentError(absl::StrFormat(
            "%s, line %d: '%s' is not one of the %d known classes", table.name,
            row.line, cell, names.size()));
      }
      number = static_cast<uint32_t>(name - names.begin());
    }
    dataset->classes.push_back(number);
  }
  return absl::OkStatus();
}

absl::Status NotANumber(const CsvTable& table, const CsvTable::Row& row,
                        size_t column, const CsvTarget& target) {
  const bool may_be_target = target.left_out && target.column.empty();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s, line %d: '%s' in column '%s' is not a finite number%s", table.name,
      row.line, row.cells[column], table.columns[column],
      may_be_target ? "; a column that is no input is named by --target" : ""));
}

std::string ElementText(const v1::InputFormat& format) {
  return format.element_type() == v1::ELEMENT_TYPE_UINT8 ? "bytes" : "floats";
}

}  // namespace

size_t Dataset::output_size() const {
  if (classes.empty()) return 1;
  if (!class_names.empty()) return class_names.size();
  return size_t{*std::max_element(classes.begin(), classes.end())} + 1;
}

absl::StatusOr<Dataset> DatasetFromIdx(IdxArray images,
                                       const std::optional<IdxArray>& labels) {
  Dataset dataset;
  dataset.samples = images.rows();
  dataset.input_size = images.row_size();
  dataset.format.set_element_type(v1::ELEMENT_TYPE_UINT8);
  dataset.format.set_scale(1.0F / 255);
  if (labels.has_value()) {
    if (labels->dimensions.size() != 1) {
      return absl::InvalidArgumentError(
          "the labels have more than one dimension: are these images?");
    }
    if (labels->rows() != images.rows()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("there are %d images but %d labels: the files do not "
                          "belong together",
                          images.rows(), labels->rows()));
    }
    for (char label : labels->elements) {
      dataset.classes.push_back(static_cast<unsigned char>(label));
    }
  }
  dataset.inputs = std::move(images.elements);
  return dataset;
}

absl::StatusOr<Dataset> DatasetFromCsv(const CsvTable& table,
                                       const CsvTarget& target) {
  Dataset dataset;
  dataset.samples = table.rows.size();
  dataset.format.set_element_type(v1::ELEMENT_TYPE_FLOAT32);
  dataset.format.set_scale(1.0F);
  size_t target_column = table.columns.size();
  if (!target.column.empty()) {
    absl::StatusOr<size_t> found = FindColumn(table, target.column);
    if (!found.ok()) return found.status();
    target_column = *found;
    if (!target.regression && !target.left_out) {
      absl::Status status = ReadClasses(table, target_column, target, &dataset);
      if (!status.ok()) return status;
    }
  }
  dataset.input_size = table.columns.size() - (target.column.empty() ? 0 : 1);
  if (dataset.input_size == 0) {
    return absl::InvalidArgumentError(table.name +
                                      " has no columns but the target's");
  }
  for (const CsvTable::Row& row : table.rows) {
    for (size_t i = 0; i < row.cells.size(); ++i) {
      if (i == target_column && (target.left_out || !target.regression)) {
        continue;
      }
      float number = 0;
      if (!ParseNumber(row.cells[i], &number)) {
        return NotANumber(table, row, i, target);
      }
      if (i == target_column) {
        dataset.targets.push_back(number);
      } else {
        dataset.inputs.append(reinterpret_cast<const char*>(&number),
                              sizeof(number));
      }
    }
  }
  return dataset;
}

uint32_t OutputSize(const v1::SessionSpec& spec) {
  return spec.layers_size() == 0 ? 0 : spec.layers().rbegin()->size();
}

absl::Status CheckClassNumbers(const Dataset& dataset,
                               const v1::SessionSpec& spec) {
  const uint32_t outputs = OutputSize(spec);
  if (dataset.class_names.empty() || dataset.class_names.size() == outputs) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "the data names %d classes, the network has %d outputs: name all classes "
      "in the order of their numbers",
      dataset.class_names.size(), outputs));
}

absl::Status CheckFits(const Dataset& dataset, const v1::SessionSpec& spec,
                       const std::string& name) {
  if (dataset.input_size != spec.input_size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s has %d inputs a sample, the session takes %d", name,
                        dataset.input_size, spec.input_size()));
  }
  if (dataset.format.element_type() != spec.input().element_type()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s would be sent as %s, the session takes %s (IDX is sent as bytes, "
        "CSV as floats)",
        name, ElementText(dataset.format), ElementText(spec.input())));
  }
  const uint32_t outputs = OutputSize(spec);
  if (!dataset.targets.empty() && outputs != 1) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s has one number as its target, the network has %d outputs", name,
        outputs));
  }
  if (!dataset.classes.empty() && dataset.output_size() > outputs) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s has %d classes, the network has %d outputs: one for each class is "
        "needed",
        name, dataset.output_size(), outputs));
  }
  return absl::OkStatus();
}

}  // namespace backprop::cli
