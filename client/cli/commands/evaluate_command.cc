// SPDX-License-Identifier: Apache-2.0
//
// backprop evaluate: error and accuracy of a session's network.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/data_flags.h"
#include "client/cli/run/evaluation.h"
#include "client/cli/text/number_text.h"

namespace backprop::cli {
namespace {

struct EvaluateFlags {
  std::string session_id;
  DataSource data;
  CsvFlags csv;
};

absl::Status Evaluate(const GlobalFlags& global, const EvaluateFlags& flags) {
  absl::Status status = CheckDataSource(flags.data, flags.csv, Targets::kRead);
  if (!status.ok()) return status;
  absl::StatusOr<Dataset> data =
      LoadData(flags.data, flags.csv, Targets::kRead);
  if (!data.ok()) return data.status();
  TrainingClient client(global.address, global.client);
  absl::StatusOr<v1::Session> session = client.GetSession(flags.session_id);
  if (!session.ok()) return session.status();
  status = CheckFits(*data, session->spec(), flags.data.name());
  if (!status.ok()) return status;
  if (flags.csv.classes.empty()) {
    status = CheckClassNumbers(*data, session->spec());
  }
  if (!status.ok()) {
    return UsageError("--classes", std::string(status.message()));
  }
  auto result = EvaluateDataset(client, flags.session_id, *data);
  if (!result.ok()) return result.status();
  if (global.json) {
    PrintJson({{"samples", result->samples()},
               {"error", result->error()},
               {"plain_error", result->plain_error()},
               {"accuracy", result->accuracy()},
               {"first_step", result->first_step()},
               {"last_step", result->last_step()}});
    return absl::OkStatus();
  }
  std::cout << absl::StrFormat("error:    %.6f", result->error());
  if (session->spec().label_smoothing() != 0 ||
      session->spec().class_weights_size() != 0) {
    std::cout << absl::StrFormat(
        " (%.6f without label smoothing and class weights)",
        result->plain_error());
  }
  std::cout << "\n";
  if (data->targets.empty()) {
    std::cout << absl::StrFormat("accuracy: %.4f\n", result->accuracy());
  }
  std::cout << "samples:  " << Grouped(result->samples()) << "\n"
            << "step:     " << Grouped(result->last_step()) << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddEvaluateCommand(Command& app, const GlobalFlags& global,
                        Action& action) {
  Command* command =
      app.add_subcommand("evaluate", "Error and accuracy on labelled data");
  auto flags = std::make_shared<EvaluateFlags>();
  AddSessionId(*command, &flags->session_id);
  AddDataSource(*command, &flags->data);
  AddCsvFlags(*command, &flags->csv);
  command->footer(
      "Example: backprop evaluate ID --images t10k-images-idx3-ubyte.gz \\\n"
      "           --labels t10k-labels-idx1-ubyte.gz");
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Evaluate(global, *flags); };
  });
}

}  // namespace backprop::cli
