// SPDX-License-Identifier: Apache-2.0
//
// backprop session create | list | describe | delete; the rest:
// client/cli/commands/session_{change,file}_command.h
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "client/cli/commands/message_json.h"
#include "client/cli/commands/session_change_command.h"
#include "client/cli/commands/session_text.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/spec_flags.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

struct CreateFlags {
  SpecFlags spec;
  uint32_t input_size = 0;
  bool bytes = false;
  float scale = 1.0F;
};

absl::Status Create(const GlobalFlags& global, const CreateFlags& flags) {
  v1::InputFormat format;
  format.set_element_type(flags.bytes ? v1::ELEMENT_TYPE_UINT8
                                      : v1::ELEMENT_TYPE_FLOAT32);
  format.set_scale(flags.scale);
  absl::StatusOr<v1::SessionSpec> spec =
      MakeSpec(flags.spec, {.input_size = flags.input_size, .format = format});
  if (!spec.ok()) return spec.status();
  v1::CreateSessionRequest request;
  *request.mutable_spec() = *std::move(spec);
  auto session =
      TrainingClient(global.address, global.client).CreateSession(request);
  if (!session.ok()) return session.status();
  std::cout << (global.json ? MessageJson(*session) : session->session_id())
            << "\n";
  return absl::OkStatus();
}

absl::Status List(const GlobalFlags& global) {
  TrainingClient client(global.address, global.client);
  v1::ListSessionsRequest request;
  std::vector<v1::Session> sessions;  // for people: columns know all widths
  do {
    absl::StatusOr<v1::ListSessionsResponse> page =
        client.ListSessions(request);
    if (!page.ok()) return page.status();
    for (const v1::Session& session : page->sessions()) {
      if (global.json) {
        std::cout << MessageJson(session) << "\n";
      } else {
        sessions.push_back(session);
      }
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!global.json) std::cout << SessionListText(sessions);
  return absl::OkStatus();
}

absl::Status Describe(const GlobalFlags& global, const std::string& id) {
  auto session = TrainingClient(global.address, global.client).GetSession(id);
  if (!session.ok()) return session.status();
  std::cout << (global.json ? MessageJson(*session) + "\n"
                            : SessionText(*session));
  return absl::OkStatus();
}

absl::Status Delete(const GlobalFlags& global, const std::string& id) {
  absl::Status status =
      TrainingClient(global.address, global.client).DeleteSession(id);
  if (status.ok() && global.json) {
    PrintJson({{"event", "deleted"}, {"session_id", id}});
  }
  return status;
}

void AddCreate(Command& parent, const GlobalFlags& global, Action& action) {
  Command* command = parent.add_subcommand(
      "create", "Make a session; prints its id, with --json all of it");
  command->footer(
      "Example: backprop session create --input-size 784 --bytes \\\n"
      "           --scale 0.00392157 --layers 128:relu,10:softmax");
  auto flags = std::make_shared<CreateFlags>();
  command
      ->add_option("--input-size", flags->input_size, "Length of an input row")
      ->check(WholeNumber(1, std::numeric_limits<uint32_t>::max()))
      ->type_name("COUNT")
      ->required();
  AddSpecFlags(
      *command, &flags->spec,
      {.has_data = false, .seed = "Seed of initial weights and dropout"});
  command->add_flag("--bytes", flags->bytes,
                    "Inputs travel as unsigned bytes, not as floats");
  command
      ->add_option("--scale", flags->scale,
                   "Factor applied to each input, e.g. 0.00392157 to bytes")
      ->check(NonZero())
      ->type_name("FACTOR")
      ->capture_default_str();
  command->callback([&global, &action, flags] {
    action = [&global, flags] { return Create(global, *flags); };
  });
}

void AddWithId(Command& parent, const char* name, const char* help,
               absl::Status (*run)(const GlobalFlags&, const std::string&),
               const GlobalFlags& global, Action& action) {
  Command* command = parent.add_subcommand(name, help);
  auto id = std::make_shared<std::string>();
  AddSessionId(*command, id.get());
  command->callback([&global, &action, id, run] {
    action = [&global, id, run] { return run(global, *id); };
  });
}

}  // namespace

void AddSessionCommand(Command& app, const GlobalFlags& global,
                       Action& action) {
  Command* session = app.add_subcommand(
      "session", "Make, change, list, describe, delete sessions");
  session->fallthrough();
  AddCreate(*session, global, action);
  AddSessionUpdate(*session, global, action);
  AddSessionFork(*session, global, action);
  session->add_subcommand("list", "All sessions: a line for each")
      ->callback(
          [&global, &action] { action = [&global] { return List(global); }; });
  AddWithId(*session, "describe",
            "All about a session: its network, its settings, how far it is",
            Describe, global, action);
  AddWithId(*session, "delete", "Forget a session and free its memory", Delete,
            global, action);
}

}  // namespace backprop::cli
