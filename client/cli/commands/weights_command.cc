// SPDX-License-Identifier: Apache-2.0
//
// backprop weights download
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/data/weights_bytes.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/output_flag.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

struct WeightsFlags {
  std::string session_id;
  std::string output;
};

absl::Status WriteWeights(const GlobalFlags& global,
                          const WeightsFlags& flags) {
  auto anchor = TrainingClient(global.address, global.client)
                    .DownloadWeights(flags.session_id);
  if (!anchor.ok()) return anchor.status();
  absl::Status status =
      WriteOutput(flags.output, WeightsBytes(flags.output, anchor->weights));
  if (!status.ok()) return status;
  const std::string digest = DigestText(anchor->digest);
  TellOutput(global, flags.output,
             {{"session_id", flags.session_id},
              {"step", anchor->step},
              {"next_offset", anchor->next_offset},
              {"digest", digest},
              {"weights", anchor->weights.size()},
              {"output", flags.output}},
             absl::StrCat(Grouped(anchor->weights.size()), " weights of step ",
                          Grouped(anchor->step), ", digest ", digest));
  return absl::OkStatus();
}

}  // namespace

void AddWeightsCommand(Command& app, const GlobalFlags& global,
                       Action& action) {
  Command* weights = app.add_subcommand("weights", "A session's weights");
  weights->fallthrough();
  Command* command = weights->add_subcommand(
      "download", "Write all weights to a file, in the order of the layout");
  auto flags = std::make_shared<WeightsFlags>();
  AddSessionId(*command, &flags->session_id);
  command
      ->add_option("--output", flags->output,
                   "File: little-endian float32, or NumPy's format if it ends "
                   "in .npy; '-': standard output")
      ->type_name("FILE")
      ->required();
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return WriteWeights(global, *flags); };
  });
}

}  // namespace backprop::cli
