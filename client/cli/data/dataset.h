// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_DATASET_H_
#define BACKPROP_CLIENT_CLI_DATA_DATASET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/data/csv_reader.h"
#include "client/cli/data/idx_reader.h"

namespace backprop::cli {

// Samples as they will be sent. Either classes or targets hold one entry a
// sample; both are empty where there is nothing to compare with (prediction).
struct Dataset {
  size_t samples = 0;
  size_t input_size = 0;  // elements a row
  v1::InputFormat format;
  std::string inputs;                    // (samples, input_size) elements
  std::vector<uint32_t> classes;         // (samples)
  std::vector<float> targets;            // (samples), regression
  std::vector<std::string> class_names;  // [class]; empty: they are numbers

  // Number of outputs that the targets need: classes, or 1.
  size_t output_size() const;
  size_t row_bytes() const { return inputs.size() / samples; }

  // Appends one sample to a TrainRequest or EvaluateRequest.
  template <typename Request>
  void AppendSample(size_t sample, Request* request) const {
    request->mutable_inputs()->append(inputs, sample * row_bytes(),
                                      row_bytes());
    if (!classes.empty()) request->add_classes(classes[sample]);
    if (!targets.empty()) {
      request->mutable_targets()->append(
          reinterpret_cast<const char*>(&targets[sample]), sizeof(float));
    }
  }
};

// Pixels as bytes with scale 1/255. labels may be absent.
absl::StatusOr<Dataset> DatasetFromIdx(IdxArray images,
                                       const std::optional<IdxArray>& labels);

struct CsvTarget {
  std::string column;       // empty: every column is an input
  bool regression = false;  // the column is a number to be met, not a class
  bool left_out = false;    // the column is not read: neither input nor target
  // Names in the order of their class numbers; empty: found in the data.
  std::vector<std::string> class_names = {};
};

// Inputs are the columns except the target's. Labels that are whole numbers
// are class numbers as they stand; others get numbers in their order as text.
absl::StatusOr<Dataset> DatasetFromCsv(const CsvTable& table,
                                       const CsvTarget& target);

// Outputs of the spec's last layer; 0 if it has no layers.
uint32_t OutputSize(const v1::SessionSpec& spec);

// Whether class names that were found in the data have the numbers that a
// session trained on other data gave them: only if all classes occur here.
absl::Status CheckClassNumbers(const Dataset& dataset,
                               const v1::SessionSpec& spec);

// Whether the samples can be sent to a session of this spec. `name` says which
// data the error is about.
absl::Status CheckFits(const Dataset& dataset, const v1::SessionSpec& spec,
                       const std::string& name);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_DATASET_H_
