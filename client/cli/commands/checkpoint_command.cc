// SPDX-License-Identifier: Apache-2.0
//
// backprop checkpoint create | list | update | delete, and backprop rewind.
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/commands/message_json.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/seconds.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/table.h"
#include "client/cli/text/time_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

struct CheckpointFlags {
  std::string session_id;
  std::string name;
  std::optional<uint64_t> step;  // to go back to
  double expire_after = 0;       // seconds; 0: not given
  bool for_good = false;
  bool pin = false;
  bool unpin = false;
};

absl::Status TellOfCheckpoint(const GlobalFlags& global,
                              const v1::Checkpoint& checkpoint) {
  std::cout << (global.json ? MessageJson(checkpoint)
                            : checkpoint.name() + " is of step " +
                                  Grouped(checkpoint.step()))
            << "\n";
  return absl::OkStatus();
}

absl::Status CreateOne(const GlobalFlags& global,
                       const CheckpointFlags& flags) {
  v1::CreateCheckpointRequest request;
  request.set_session_id(flags.session_id);
  request.set_name(flags.name);
  request.set_pinned(flags.pin);
  if (flags.expire_after > 0) {
    *request.mutable_expire_after() = DurationOf(flags.expire_after);
  }
  const auto made =
      TrainingClient(global.address, global.client).CreateCheckpoint(request);
  return made.ok() ? TellOfCheckpoint(global, *made) : made.status();
}

absl::Status UpdateOne(const GlobalFlags& global,
                       const CheckpointFlags& flags) {
  if (flags.pin && flags.unpin) {
    return UsageError("--unpin", "can't be given with --pin");
  }
  if (flags.for_good && flags.expire_after > 0) {
    return UsageError("--for-good", "can't be given with --expire-after");
  }
  v1::UpdateCheckpointRequest request;
  request.set_session_id(flags.session_id);
  request.set_name(flags.name);
  request.set_pinned(flags.pin);
  if (flags.pin || flags.unpin) {
    request.mutable_update_mask()->add_paths("pinned");
  }
  if (flags.expire_after > 0) {
    *request.mutable_expire_after() = DurationOf(flags.expire_after);
  }
  if (flags.for_good || flags.expire_after > 0) {
    request.mutable_update_mask()->add_paths("expire_after");
  }
  if (request.update_mask().paths().empty()) {
    return UsageError(
        "", "say what to change: --pin, --unpin, --expire-after or --for-good");
  }
  const auto changed =
      TrainingClient(global.address, global.client).UpdateCheckpoint(request);
  return changed.ok() ? TellOfCheckpoint(global, *changed) : changed.status();
}

std::string MomentText(bool is_set, const google::protobuf::Timestamp& time) {
  return is_set ? TimeText(time.seconds(), "%Y-%m-%d %H:%M") : "never";
}

std::string TableOf(const std::vector<v1::Checkpoint>& checkpoints) {
  std::vector<std::vector<std::string>> rows;
  rows.reserve(checkpoints.size());
  for (const v1::Checkpoint& each : checkpoints) {
    rows.push_back({each.name(), Grouped(each.step()),
                    MomentText(true, each.create_time()),
                    MomentText(each.has_expire_time(), each.expire_time()),
                    each.pinned() ? "yes" : "no",
                    Grouped(each.stored_bytes())});
  }
  return TableText({{"CHECKPOINT"},
                    {"STEP", Align::kRight},
                    {"CREATED (UTC)"},
                    {"EXPIRES (UTC)"},
                    {"PINNED"},
                    {"BYTES", Align::kRight}},
                   rows);
}

absl::Status ListAll(const GlobalFlags& global, const CheckpointFlags& flags) {
  TrainingClient client(global.address, global.client);
  v1::ListCheckpointsRequest request;
  request.set_session_id(flags.session_id);
  std::vector<v1::Checkpoint> checkpoints;
  do {
    const auto page = client.ListCheckpoints(request);
    if (!page.ok()) return page.status();
    for (const v1::Checkpoint& each : page->checkpoints()) {
      if (global.json) std::cout << MessageJson(each) << "\n";
      checkpoints.push_back(each);
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!global.json) std::cout << TableOf(checkpoints);
  return absl::OkStatus();
}

absl::Status DeleteOne(const GlobalFlags& global,
                       const CheckpointFlags& flags) {
  absl::Status status = TrainingClient(global.address, global.client)
                            .DeleteCheckpoint(flags.session_id, flags.name);
  if (status.ok() && global.json) {
    PrintJson({{"event", "deleted"},
               {"session_id", flags.session_id},
               {"checkpoint", flags.name}});
  }
  return status;
}

absl::Status GoBack(const GlobalFlags& global, const CheckpointFlags& flags) {
  if (flags.name.empty() != flags.step.has_value()) {
    return UsageError("--step", "or a checkpoint, one of the two, is needed");
  }
  TrainingClient client(global.address, global.client);
  const auto session = flags.step.has_value()
                           ? client.RewindSession(flags.session_id, *flags.step)
                           : client.RewindSession(flags.session_id, flags.name);
  if (!session.ok()) return session.status();
  std::cout << (global.json
                    ? MessageJson(*session)
                    : "at step " + Grouped(session->step()) +
                          " again, in epoch " + Grouped(session->epoch()))
            << "\n";
  return absl::OkStatus();
}

using CheckpointRun = absl::Status (*)(const GlobalFlags&,
                                       const CheckpointFlags&);

// With what names a session; the rest is the caller's.
Command* AddOne(Command& parent, const char* name, const char* help,
                CheckpointRun run, const GlobalFlags& global, Action& action,
                const std::shared_ptr<CheckpointFlags>& flags) {
  Command* command = parent.add_subcommand(name, help);
  AddSessionId(*command, &flags->session_id);
  command->callback([&global, &action, flags, run] {
    action = [&global, flags, run] { return run(global, *flags); };
  });
  return command;
}

void AddName(Command& command, CheckpointFlags* flags) {
  command.add_option("CHECKPOINT", flags->name, "The checkpoint's name")
      ->type_name("NAME")
      ->required();
}

void AddTerms(Command& command, CheckpointFlags* flags) {
  command
      .add_option("--expire-after", flags->expire_after,
                  "Keep it for so long from now on")
      ->check(Seconds(1))
      ->type_name("SECONDS");
  command.add_flag("--pin", flags->pin,
                   "Keep it, whatever comes, until it is unpinned");
}

}  // namespace

void AddCheckpointCommand(Command& app, const GlobalFlags& global,
                          Action& action) {
  Command* parent = app.add_subcommand(
      "checkpoint", "Keep moments of a session, to go back to them");
  parent->fallthrough();
  const auto flags = std::make_shared<CheckpointFlags>();
  Command* create =
      AddOne(*parent, "create", "Keep the session as it is now under a name",
             CreateOne, global, action, flags);
  AddName(*create, flags.get());
  AddTerms(*create, flags.get());
  AddOne(*parent, "list", "All checkpoints of a session: a line for each",
         ListAll, global, action, flags);
  Command* update = AddOne(*parent, "update", "Change how long one is kept",
                           UpdateOne, global, action, flags);
  AddName(*update, flags.get());
  AddTerms(*update, flags.get());
  update->add_flag("--for-good", flags->for_good, "It does not expire");
  update->add_flag("--unpin", flags->unpin, "It may expire, or be deleted");
  Command* remove = AddOne(*parent, "delete", "Forget a checkpoint", DeleteOne,
                           global, action, flags);
  AddName(*remove, flags.get());
}

void AddRewindCommand(Command& app, const GlobalFlags& global, Action& action) {
  const auto flags = std::make_shared<CheckpointFlags>();
  Command* command =
      AddOne(app, "rewind",
             "Take a session back to one of its checkpoints, or to a step that "
             "its history has",
             GoBack, global, action, flags);
  command->add_option("CHECKPOINT", flags->name, "The checkpoint's name")
      ->type_name("NAME");
  command
      ->add_option(
          "--step", flags->step,
          "The step, as it was just done (backprop session describe tells "
          "which there are)")
      ->check(WholeNumber(0, uint64_t{1} << 53))
      ->type_name("STEP");
  command->footer("Example: backprop rewind ID before-the-new-data");
}

}  // namespace backprop::cli
