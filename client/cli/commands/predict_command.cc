// SPDX-License-Identifier: Apache-2.0
//
// backprop predict: a network's outputs for rows of data.
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "absl/strings/str_format.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/data_flags.h"
#include "client/cli/run/evaluation.h"

namespace backprop::cli {
namespace {

struct PredictFlags {
  std::string session_id;
  DataSource data;
  CsvFlags csv;
};

// One row's outputs: the class first where there are several outputs.
void PrintRow(size_t row, std::span<const float> outputs,
              const std::vector<std::string>& classes, bool json) {
  const auto best = static_cast<size_t>(
      std::max_element(outputs.begin(), outputs.end()) - outputs.begin());
  const bool named = best < classes.size();
  if (json) {
    Json object = {{"row", row}};
    if (outputs.size() > 1) object["class"] = best;
    if (outputs.size() > 1 && named) object["class_name"] = classes[best];
    object["outputs"] = std::vector<float>(outputs.begin(), outputs.end());
    PrintJson(object);
    return;
  }
  if (outputs.size() > 1) {
    std::cout << (named ? classes[best] : std::to_string(best)) << "\t";
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::cout << (i == 0 ? "" : " ") << absl::StrFormat("%.6g", outputs[i]);
  }
  std::cout << "\n";
}

absl::Status PredictRows(TrainingClient& client, const std::string& session_id,
                         const Dataset& data, size_t output_size,
                         const std::vector<std::string>& classes, bool json) {
  const size_t rows = RowsPerMessage(data, output_size);
  for (size_t at = 0; at < data.samples; at += rows) {
    const size_t count = std::min(rows, data.samples - at);
    v1::PredictRequest request;
    request.set_session_id(session_id);
    request.set_inputs(
        data.inputs.substr(at * data.row_bytes(), count * data.row_bytes()));
    absl::StatusOr<v1::PredictResponse> response = client.Predict(request);
    if (!response.ok()) return response.status();
    const std::span<const float> outputs(
        response->outputs().data(),
        static_cast<size_t>(response->outputs_size()));
    if (outputs.size() != count * output_size) {
      return absl::InternalError(
          absl::StrFormat("the server answered %d numbers for %d rows of %d",
                          outputs.size(), count, output_size));
    }
    for (size_t i = 0; i < count; ++i) {
      PrintRow(at + i, outputs.subspan(i * output_size, output_size), classes,
               json);
    }
  }
  return absl::OkStatus();
}

absl::Status Predict(const GlobalFlags& global, const PredictFlags& flags) {
  absl::Status status =
      CheckDataSource(flags.data, flags.csv, Targets::kLeftOut);
  if (!status.ok()) return status;
  absl::StatusOr<Dataset> data =
      LoadData(flags.data, flags.csv, Targets::kLeftOut);
  if (!data.ok()) return data.status();
  TrainingClient client(global.address, global.client);
  absl::StatusOr<v1::Session> session = client.GetSession(flags.session_id);
  if (!session.ok()) return session.status();
  status = CheckFits(*data, session->spec(), flags.data.name());
  if (!status.ok()) return status;
  return PredictRows(client, flags.session_id, *data,
                     OutputSize(session->spec()), flags.csv.classes,
                     global.json);
}

}  // namespace

void AddPredictCommand(Command& app, const GlobalFlags& global,
                       Action& action) {
  Command* command = app.add_subcommand(
      "predict", "Class and outputs for each row, one line a row");
  auto flags = std::make_shared<PredictFlags>();
  AddSessionId(*command, &flags->session_id);
  AddDataSource(*command, &flags->data);
  AddCsvFlags(*command, &flags->csv);
  command->footer(
      "Example: backprop predict ID --images t10k-images-idx3-ubyte.gz");
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Predict(global, *flags); };
  });
}

}  // namespace backprop::cli
