// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/session_file_command.h"

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/message_json.h"
#include "client/cli/data/file_bytes.h"
#include "client/cli/flags/output_flag.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

struct DownloadFlags {
  std::string session_id;
  std::string output;
};

void Tell(const GlobalFlags& global, const DownloadFlags& flags,
          const Anchor& anchor) {
  const std::string digest = DigestText(anchor.digest);
  TellOutput(
      global, flags.output,
      {{"session_id", flags.session_id},
       {"step", anchor.step},
       {"next_offset", anchor.next_offset},
       {"digest", digest},
       {"weights", anchor.weights.size()},
       {"state", anchor.state.size()},
       {"output", flags.output}},
      absl::StrCat(Grouped(anchor.weights.size()), " weights and ",
                   Grouped(anchor.state.size()), " numbers of state of step ",
                   Grouped(anchor.step), ", next offset ",
                   Grouped(anchor.next_offset), ", digest ", digest));
}

absl::Status Download(const GlobalFlags& global, const DownloadFlags& flags) {
  auto anchor = TrainingClient(global.address, global.client)
                    .DownloadWeights(flags.session_id, /*with_state=*/true);
  if (!anchor.ok()) return anchor.status();
  v1::CreateSessionRequest request;
  *request.mutable_spec() = anchor->spec;
  *request.mutable_initial() = AnchorMessage(*anchor);
  std::string bytes;
  if (!request.SerializeToString(&bytes)) {
    return absl::ResourceExhaustedError(
        "--output: the session has more than the 2 GiB that such a file holds");
  }
  absl::Status status = WriteOutput(flags.output, bytes);
  if (!status.ok()) return status;
  Tell(global, flags, *anchor);
  return absl::OkStatus();
}

absl::Status Restore(const GlobalFlags& global, const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  v1::CreateSessionRequest request;
  if (!request.ParseFromString(*bytes) || !request.has_spec() ||
      request.initial().weights().empty()) {
    return absl::DataLossError(absl::StrCat(
        path,
        " holds no whole session: give it a file that backprop session "
        "download wrote"));
  }
  auto session =
      TrainingClient(global.address, global.client).CreateSession(request);
  if (!session.ok()) return session.status();
  std::cout << (global.json ? MessageJson(*session) : session->session_id())
            << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSessionDownload(Command& parent, const GlobalFlags& global,
                        Action& action) {
  Command* command = parent.add_subcommand(
      "download", "Write all that a session is to a file, for restore");
  command->footer(
      "The file is a backprop.v1.CreateSessionRequest as protobuf writes it.\n"
      "Example: backprop session download ID --output animals.session");
  auto flags = std::make_shared<DownloadFlags>();
  AddSessionId(*command, &flags->session_id);
  command->add_option("--output", flags->output, "File; '-': standard output")
      ->type_name("FILE")
      ->required();
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Download(global, *flags); };
  });
}

void AddSessionRestore(Command& parent, const GlobalFlags& global,
                       Action& action) {
  Command* command = parent.add_subcommand(
      "restore",
      "Make a session that goes on where a downloaded one was, on this server "
      "or another; prints its id, with --json all of it");
  command->footer(
      "It goes on with the step and offset that the file is of.\n"
      "Example: backprop session restore animals.session");
  auto path = std::make_shared<std::string>();
  command
      ->add_option("INPUT,--input", *path,
                   "File that session download wrote; '-': standard input")
      ->type_name("FILE")
      ->required();
  command->callback([&global, &action, path] {
    action = [&global, path] { return Restore(global, *path); };
  });
}

}  // namespace backprop::cli
