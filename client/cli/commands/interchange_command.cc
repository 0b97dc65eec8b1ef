// SPDX-License-Identifier: Apache-2.0
//
// backprop export | import: sessions as safetensors files.
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/message_json.h"
#include "client/cli/data/file_bytes.h"
#include "client/cli/data/session_file.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/keeping_flags.h"
#include "client/cli/flags/output_flag.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

struct ExportFlags {
  std::string session_id;
  std::string output;
  bool with_state = false;
  bool force = false;
};

struct ImportFlags {
  std::string input;
  std::string spec;  // path; empty: the file's own
  std::optional<std::string> name;
  KeepingFlags keeping;
};

absl::Status IsThere(const std::string& file) {
  return UsageError(
      "", absl::StrCat(file, " is there already: --force writes over it"));
}

// Before the numbers are asked for.
absl::Status CheckIsFree(const ExportFlags& flags) {
  std::error_code error;
  if (flags.force || flags.output == "-" ||
      !std::filesystem::exists(
          std::filesystem::symlink_status(flags.output, error))) {
    return absl::OkStatus();
  }
  return IsThere(flags.output);
}

void TellExport(const GlobalFlags& global, const ExportFlags& flags,
                const Anchor& anchor) {
  const std::string digest = DigestText(anchor.digest);
  const size_t state = flags.with_state ? anchor.state.size() : 0;
  TellOutput(
      global, flags.output,
      {{"session_id", flags.session_id},
       {"step", anchor.step},
       {"next_offset", anchor.next_offset},
       {"digest", digest},
       {"weights", anchor.weights.size()},
       {"state", state},
       {"output", flags.output}},
      absl::StrCat(Grouped(anchor.weights.size()), " weights",
                   flags.with_state ? absl::StrCat(" and ", Grouped(state),
                                                   " numbers of state")
                                    : "",
                   " of step ", Grouped(anchor.step), ", digest ", digest));
}

absl::Status Export(const GlobalFlags& global, const ExportFlags& flags) {
  if (absl::Status s = CheckIsFree(flags); !s.ok()) return s;
  auto anchor = TrainingClient(global.address, global.client)
                    .DownloadWeights(flags.session_id, flags.with_state);
  if (!anchor.ok()) return anchor.status();
  auto bytes = SessionFileBytes(*anchor, flags.with_state);
  if (!bytes.ok()) return bytes.status();
  absl::Status written = WriteFile(
      flags.output, *bytes, flags.force ? IfThere::kReplace : IfThere::kRefuse);
  if (absl::IsAlreadyExists(written)) return IsThere(flags.output);
  if (!written.ok()) return written;
  TellExport(global, flags, *anchor);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::SessionSpec>> ReadSpec(
    const std::string& path) {
  if (path.empty()) return std::nullopt;
  const auto json = ReadFile(path);
  if (!json.ok()) return json.status();
  auto spec = SpecFromJson(*json, path);
  if (!spec.ok()) return spec.status();
  return *std::move(spec);
}

absl::Status Import(const GlobalFlags& global, const ImportFlags& flags) {
  const auto spec = ReadSpec(flags.spec);
  if (!spec.ok()) return spec.status();
  const auto bytes = ReadFile(flags.input);
  if (!bytes.ok()) return bytes.status();
  auto request = ReadSessionFile(*bytes, *spec);
  if (!request.ok()) {
    return Retold(request.status(),
                  absl::StrCat(flags.input, ": ",
                               std::string(request.status().message())));
  }
  if (flags.name.has_value()) {
    request->mutable_spec()->set_display_name(*flags.name);
  }
  if (absl::Status s = SetKeeping(flags.keeping, request->mutable_spec());
      !s.ok()) {
    return s;
  }
  const auto session =
      TrainingClient(global.address, global.client).CreateSession(*request);
  if (!session.ok()) return session.status();
  std::cout << (global.json ? MessageJson(*session) : session->session_id())
            << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddExportCommand(Command& app, const GlobalFlags& global, Action& action) {
  Command* command = app.add_subcommand(
      "export", "Write a session to a safetensors file, for other tools too");
  command->footer(
      "The tensors are layers.0.weight (outputs × inputs, as in PyTorch's\n"
      "nn.Linear), layers.0.bias, layers.1.weight and so on; the metadata\n"
      "hold the spec.\n"
      "Example: backprop export ID animals.safetensors --with-state");
  auto flags = std::make_shared<ExportFlags>();
  AddSessionId(*command, &flags->session_id);
  command
      ->add_option("FILE,--output", flags->output, "File; '-': standard output")
      ->type_name("FILE")
      ->required();
  command->add_flag("--with-state", flags->with_state,
                    "With all that it takes to go on training as the session "
                    "would: optimiser's state, counts, schedule");
  command->add_flag("--force", flags->force, "Write over a file that is there");
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Export(global, *flags); };
  });
}

void AddImportCommand(Command& app, const GlobalFlags& global, Action& action) {
  Command* command = app.add_subcommand(
      "import",
      "Make a session of a safetensors file; prints its id, with --json all of "
      "it");
  command->footer(
      "From a file with state it goes on to the same bits as the session that\n"
      "was exported; from weights alone it begins at step 0. A file of "
      "another\n"
      "tool holds layers.0.weight (outputs × inputs), layers.0.bias and so "
      "on,\n"
      "all float32, and needs --spec.\n"
      "Example: backprop import animals.safetensors --name animals");
  auto flags = std::make_shared<ImportFlags>();
  command->add_option("FILE,--input", flags->input, "File; '-': standard input")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--spec", flags->spec,
                   "File with the SessionSpec as JSON, such as `spec` of "
                   "session describe --json [the spec in the metadata]")
      ->type_name("FILE");
  command
      ->add_option("--name", flags->name,
                   "What the session is called, for people [as it was]")
      ->type_name("TEXT");
  AddKeepingFlags(*command, &flags->keeping);
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Import(global, *flags); };
  });
}

}  // namespace backprop::cli
