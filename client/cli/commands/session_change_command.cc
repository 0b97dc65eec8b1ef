// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/session_change_command.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands/message_json.h"
#include "client/cli/flags/live_flags.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

struct UpdateFlags {
  std::string session_id;
  LiveFlags live;
  std::vector<std::string> given;  // "--learning-rate", …: those of `live`
};

absl::Status Update(const GlobalFlags& global, const UpdateFlags& flags) {
  TrainingClient client(global.address, global.client);
  // Its kind of optimiser and its loss say what a flag means.
  absl::StatusOr<v1::Session> session = client.GetSession(flags.session_id);
  if (!session.ok()) return session.status();
  v1::UpdateSessionRequest request;
  request.set_session_id(flags.session_id);
  *request.mutable_spec() = session->spec();
  absl::Status status = ChangeSpec(flags.live, request.mutable_spec(),
                                   request.mutable_update_mask());
  if (!status.ok()) return status;
  const auto& paths = request.update_mask().paths();
  if (paths.empty()) {
    return UsageError("", "say what to change, e.g. --learning-rate 0.001");
  }
  auto response = client.UpdateSession(request);
  if (!response.ok()) return response.status();
  if (global.json) {
    Json object = {{"event", "updated"},
                   {"session_id", flags.session_id},
                   {"first_step", response->first_step()},
                   {"learning_rate", response->session().learning_rate()}};
    object["changed"] = std::vector<std::string>(paths.begin(), paths.end());
    PrintJson(object);
    return absl::OkStatus();
  }
  const bool changes_training =
      std::ranges::any_of(paths, [](const std::string& path) {
        return path != "display_name" && path != "expire_after";
      });
  if (changes_training) {
    std::cout << "from step " << Grouped(response->first_step()) << " on: "
              << OptimiserText(response->session().spec().optimiser()) << "\n";
  }
  std::cout << "changed: " << absl::StrJoin(flags.given, ", ") << "\n";
  return absl::OkStatus();
}

struct ForkFlags {
  std::string session_id;
  bool with_state = false;
  std::string checkpoint;
  std::string optimiser;
  LiveFlags live;
  std::vector<std::string> given;  // "--optimiser", …: what changes the spec
};

// What changes a spec changes that which the origin has now: a checkpoint's is
// not known here.
absl::Status CheckForkFlags(const ForkFlags& flags) {
  if (flags.checkpoint.empty() || flags.given.empty()) return absl::OkStatus();
  return UsageError(
      "--from-checkpoint",
      absl::StrCat("the fork has the checkpoint's settings: leave ",
                   absl::StrJoin(flags.given, ", "),
                   " out, and change the fork with backprop session update"));
}

// The origin's spec with what the flags change; no spec if that is nothing.
absl::Status SetForkSpec(const v1::SessionSpec& origin, const ForkFlags& flags,
                         v1::CreateSessionRequest* request) {
  v1::SessionSpec spec = origin;
  spec.clear_initialiser();
  // What was learnt comes with the fork, not with its spec.
  if (spec.input().standardisation().learn_samples() > 0) {
    spec.mutable_input()->mutable_standardisation()->clear_mean();
    spec.mutable_input()->mutable_standardisation()->clear_factor();
  }
  LiveFlags live = flags.live;
  google::protobuf::FieldMask changed;
  if (!flags.optimiser.empty()) {
    live.optimiser.optimiser = flags.optimiser;
    absl::StatusOr<v1::Optimiser> optimiser = MakeOptimiser(live.optimiser);
    if (!optimiser.ok()) return optimiser.status();
    *spec.mutable_optimiser() = *std::move(optimiser);
    changed.add_paths("optimiser");
  }
  absl::Status status = ChangeSpec(live, &spec, &changed);
  if (!status.ok()) return status;
  if (!changed.paths().empty()) *request->mutable_spec() = std::move(spec);
  return absl::OkStatus();
}

absl::Status Fork(const GlobalFlags& global, const ForkFlags& flags) {
  absl::Status status = CheckForkFlags(flags);
  if (!status.ok()) return status;
  TrainingClient client(global.address, global.client);
  absl::StatusOr<v1::Session> origin = client.GetSession(flags.session_id);
  if (!origin.ok()) return origin.status();
  v1::CreateSessionRequest request;
  request.mutable_fork()->set_session_id(flags.session_id);
  request.mutable_fork()->set_with_state(flags.with_state);
  request.mutable_fork()->set_checkpoint(flags.checkpoint);
  status = SetForkSpec(origin->spec(), flags, &request);
  if (!status.ok()) return status;
  absl::StatusOr<v1::Session> session = client.CreateSession(request);
  if (!session.ok()) return session.status();
  std::cout << (global.json ? MessageJson(*session) : session->session_id())
            << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSessionUpdate(Command& parent, const GlobalFlags& global,
                      Action& action) {
  Command* command = parent.add_subcommand(
      "update", "Change hyperparameters, also while the session is trained");
  auto flags = std::make_shared<UpdateFlags>();
  AddSessionId(*command, &flags->session_id);
  AddLiveFlags(*command, &flags->live);
  command->footer(
      "What is not named stays as it is: the defaults above are those of a\n"
      "new session. --schedule constant takes a schedule away.\n"
      "Example: backprop session update ID --learning-rate 0.001");
  command->callback([&global, &action, command, flags] {
    flags->given = GivenLiveFlags(*command);
    action = [&global, flags] { return Update(global, *flags); };
  });
}

void AddSessionFork(Command& parent, const GlobalFlags& global,
                    Action& action) {
  Command* command = parent.add_subcommand(
      "fork",
      "Make a session that starts from another's present weights; prints its "
      "id, with --json all of it");
  auto flags = std::make_shared<ForkFlags>();
  AddSessionId(*command, &flags->session_id);
  command->add_flag("--with-state", flags->with_state,
                    "Take over the optimiser's state and the schedule's age "
                    "too");
  command
      ->add_option("--from-checkpoint", flags->checkpoint,
                   "Start from this checkpoint of it, with its settings, not "
                   "from its present")
      ->type_name("NAME");
  command
      ->add_option("--optimiser", flags->optimiser,
                   "Another optimiser, with its own defaults [the origin's]")
      ->type_name("NAME")
      ->group("Optimiser");
  AddLiveFlags(*command, &flags->live);
  command->footer(
      "What is not named is as the origin has it.\n"
      "Example: backprop session fork ID --optimiser adam");
  command->callback([&global, &action, command, flags] {
    flags->given = GivenLiveFlags(*command);
    if (!flags->optimiser.empty()) flags->given.push_back("--optimiser");
    action = [&global, flags] { return Fork(global, *flags); };
  });
}

}  // namespace backprop::cli
