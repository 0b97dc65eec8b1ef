// SPDX-License-Identifier: Apache-2.0
#include "server/options/flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/options/address.h"

namespace backprop {
namespace {

struct AddressField {
  std::string ServerOptions::*field;
};
struct PathField {
  std::string ServerOptions::*field;
};
struct LevelField {
  std::string ServerOptions::*field;
};
struct NumberField {
  size_t ServerOptions::*field;
  size_t smallest;
  size_t largest;
};

// One field of ServerOptions. The flag, the environment variable, their checks
// and --help are made from this row; the default is the struct's.
struct Flag {
  const char* name;  // the field's name, with dashes
  const char* unit;  // stands for the value in --help
  const char* help;
  std::variant<AddressField, PathField, LevelField, NumberField> field;
};

constexpr size_t kLargestMessage = std::numeric_limits<int32_t>::max();

constexpr std::array kFlags = {
    Flag{"grpc-address", "HOST:PORT",
         "Where gRPC listens; port 0 takes a free one. It has no "
         "authentication or encryption: think before leaving loopback",
         AddressField{&ServerOptions::grpc_address}},
    Flag{"http-address", "HOST:PORT",
         "Where /metrics, /healthz and /readyz are served",
         AddressField{&ServerOptions::http_address}},
    Flag{"max-sessions", "COUNT",
         "Sessions in memory at once; with --data-dir idle ones leave it for "
         "others, so that there may be more",
         NumberField{&ServerOptions::max_sessions, 1, 1'000'000'000}},
    Flag{"max-session-weights", "COUNT",
         "Weights of one session, 4 bytes each, without optimiser state",
         NumberField{&ServerOptions::max_session_weights, 1, size_t{1} << 40}},
    Flag{
        "max-total-weights", "COUNT",
        "Weights of all sessions in memory together, optimiser state and input "
        "standardisation included: numbers of 4 bytes",
        NumberField{&ServerOptions::max_total_weights, 1, size_t{1} << 44}},
    Flag{"max-message-bytes", "BYTES",
         "Largest request message, also the anchor of a session that is put "
         "back",
         NumberField{&ServerOptions::max_message_bytes, 1024, kLargestMessage}},
    Flag{"max-queued-bytes", "BYTES",
         "Requests that may wait in one Train stream before the server stops "
         "reading from it",
         NumberField{&ServerOptions::max_queued_bytes, 1, size_t{1} << 40}},
    Flag{"max-watched-bytes", "BYTES",
         "Recent deltas held for each session that is watched: how far a "
         "watcher may fall behind",
         NumberField{&ServerOptions::max_watched_bytes, 1, size_t{1} << 40}},
    Flag{"max-held-bytes", "BYTES",
         "Answers held for each session whose writer asks for it, to be sent "
         "again if its connection breaks; all together may hold 64 times that. "
         "0: none",
         NumberField{&ServerOptions::max_held_bytes, 0, size_t{1} << 40}},
    Flag{"max-pending-calls", "COUNT",
         "Unary calls and evaluation messages that may wait for a thread at "
         "once",
         NumberField{&ServerOptions::max_pending_calls, 1, 1'000'000'000}},
    Flag{
        "data-dir", "DIRECTORY",
        "Where sessions are kept, so that they survive the process; made where "
        "it is missing. Empty: in memory only",
        PathField{&ServerOptions::data_dir}},
    Flag{"commit-interval-ms", "MILLISECONDS",
         "How often what sessions have done is written there; sooner where "
         "somebody waits",
         NumberField{&ServerOptions::commit_interval_ms, 1, 60'000}},
    Flag{"max-undurable-bytes", "BYTES",
         "How much of what sessions have done may wait to be written there; "
         "when the disk fails, their training stops at that until it works "
         "again",
         NumberField{&ServerOptions::max_undurable_bytes, 1, size_t{1} << 40}},
    Flag{"max-history-bytes", "BYTES",
         "How much of each session's past steps is kept there at most, of "
         "sessions that keep a history",
         NumberField{&ServerOptions::max_history_bytes, 1, size_t{1} << 50}},
    Flag{
        "evict-after-seconds", "SECONDS",
        "How long a session kept there may stand idle before it leaves memory, "
        "until it is used again; 0: for ever, unless others need its room",
        NumberField{&ServerOptions::evict_after_seconds, 0, 315'360'000}},
    Flag{"compute-threads", "COUNT", "Threads that train; 0: one for each core",
         NumberField{&ServerOptions::compute_threads, 0, 1024}},
    Flag{"drain-seconds", "SECONDS",
         "After SIGTERM, how long to go on serving while reporting \"not "
         "ready\", so that load balancers turn away",
         NumberField{&ServerOptions::drain_seconds, 0, 3600}},
    Flag{"log-level", "LEVEL",
         "trace, debug, info, warning, error or off; lines are JSON on "
         "standard error",
         LevelField{&ServerOptions::log_level}},
};

constexpr const char* kCheckHelp =
    "Each record is verified, and each session and each of its checkpoints\n"
    "is brought into memory, one at a time. A line tells each fault, the\n"
    "last one sums up. No session is changed.\n"
    "\n"
    "No server may run on the directory, because it writes while its records\n"
    "are read: the directory is held meanwhile, as a server holds it.\n"
    "\n"
    "Exits with 0 if all is sound, 1 if there are faults, 2 if it could not\n"
    "be looked at, and standard error says why.";

constexpr const char* kExportHelp =
    "The file is a safetensors file, the same that backprop export would\n"
    "write of the session, which is as a server would bring it back. What is\n"
    "stored stays as it is.\n"
    "\n"
    "No server may run on the directory, which is held meanwhile.\n"
    "\n"
    "Exits with 0 if the file is written, 1 if there is no such session, it\n"
    "is damaged or the file can't be written, 2 if the directory could not\n"
    "be looked at or the file is there already, and standard error says why.";

std::string EnvironmentName(const Flag& flag) {
  return absl::StrCat(
      "BACKPROPD_",
      absl::StrReplaceAll(absl::AsciiStrToUpper(flag.name), {{"-", "_"}}));
}

std::vector<std::string> EnvironmentNames() {
  std::vector<std::string> names;
  names.reserve(kFlags.size());
  for (const Flag& flag : kFlags) names.push_back(EnvironmentName(flag));
  return names;
}

std::string FieldText(const Flag& flag, const ServerOptions& options) {
  return std::visit(
      [&](const auto& row) { return absl::StrCat(options.*row.field); },
      flag.field);
}

absl::Status Set(const AddressField& row, const std::string& text,
                 ServerOptions* options) {
  options->*row.field = text;
  return ParseHostPort(text).status();
}

absl::Status Set(const PathField& row, const std::string& text,
                 ServerOptions* options) {
  options->*row.field = text;
  if (!text.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("must name a directory");
}

absl::Status Set(const LevelField& row, const std::string& text,
                 ServerOptions* options) {
  options->*row.field = text;
  for (const char* level :
       {"trace", "debug", "info", "warning", "error", "off"}) {
    if (text == level) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\" is not trace, debug, info, warning, error or off"));
}

absl::Status Set(const NumberField& row, const std::string& text,
                 ServerOptions* options) {
  uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || value < row.smallest ||
      value > row.largest) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not a whole number from ", row.smallest,
                     " to ", row.largest));
  }
  options->*row.field = value;
  return absl::OkStatus();
}

// source: the flag or environment variable that text was given to.
absl::Status SetField(const Flag& flag, const std::string& source,
                      const std::string& text, ServerOptions* options) {
  absl::Status status = std::visit(
      [&](const auto& row) { return Set(row, text, options); }, flag.field);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(source, ": ", status.message()));
}

// "--flag=" is refused like any other wrong value; CLI11 would take the next
// argument for its value.
absl::Status CheckNoneEmpty(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    for (const Flag& flag : kFlags) {
      const std::string name = absl::StrCat("--", flag.name);
      if (absl::StrCat(name, "=") != argv[i]) continue;
      ServerOptions unused;
      return SetField(flag, name, "", &unused);
    }
  }
  return absl::OkStatus();
}

// texts: what stood after each flag that was given.
absl::Status SetAll(const std::array<CLI::Option*, kFlags.size()>& given,
                    const std::array<std::string, kFlags.size()>& texts,
                    ServerOptions* options) {
  for (size_t i = 0; i < kFlags.size(); ++i) {
    const std::string variable = EnvironmentName(kFlags[i]);
    const char* const environment = std::getenv(variable.c_str());
    absl::Status status;
    if (given[i]->count() > 0) {
      status = SetField(kFlags[i], absl::StrCat("--", kFlags[i].name), texts[i],
                        options);
    } else if (environment != nullptr && *environment != '\0') {
      status = SetField(kFlags[i], variable, environment, options);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void AddDataDir(CLI::App& command, Invocation* invocation) {
  command
      .add_option("DATA_DIR", invocation->options.data_dir,
                  "The --data-dir of a server that does not run")
      ->required()
      ->type_name("");
}

const CLI::App* AddCheck(CLI::App& app, Invocation* invocation) {
  CLI::App* const check = app.add_subcommand(
      "check", "Say what is wrong with the sessions in a data directory");
  check->footer(kCheckHelp);
  AddDataDir(*check, invocation);
  return check;
}

const CLI::App* AddExport(CLI::App& app, Invocation* invocation) {
  CLI::App* const command = app.add_subcommand(
      "export", "Write a session of a data directory to a safetensors file");
  command->footer(kExportHelp);
  AddDataDir(*command, invocation);
  ExportFlags& flags = invocation->exported;
  command->add_option("SESSION", flags.session_id, "Its id")
      ->required()
      ->type_name("");
  command->add_option("FILE", flags.file, "The file to be written")
      ->required()
      ->type_name("");
  command->add_flag("--with-state", flags.with_state,
                    "With all that it takes to go on training as the session "
                    "would: optimiser's state, counts, schedule");
  command->add_flag("--force", flags.force, "Write over a file that is there");
  return command;
}

}  // namespace

absl::StatusOr<Invocation> ParseFlags(int argc, const char* const* argv) {
  absl::Status status = CheckNoneEmpty(argc, argv);
  if (!status.ok()) return status;
  Invocation invocation;
  CLI::App app(
      "Trains feed-forward neural networks over gRPC.\n"
      "Each flag has an environment variable of its name: --max-sessions is "
      "also BACKPROPD_MAX_SESSIONS; the flag wins.",
      "backpropd");
  const std::string version = "backpropd " BACKPROP_VERSION;
  app.set_version_flag("--version", version, "Print the version and exit");
  CLI::App* const healthcheck = app.add_subcommand(
      "healthcheck",
      "Exit with 0 if the server at --http-address is ready, else with 1");
  healthcheck->fallthrough();
  const CLI::App* const check = AddCheck(app, &invocation);
  const CLI::App* const exporting = AddExport(app, &invocation);

  std::array<CLI::Option*, kFlags.size()> given{};
  std::array<std::string, kFlags.size()> texts;
  for (size_t i = 0; i < kFlags.size(); ++i) {
    given[i] = app.add_option(absl::StrCat("--", kFlags[i].name), texts[i],
                              kFlags[i].help)
                   ->type_name(kFlags[i].unit)
                   ->default_str(FieldText(kFlags[i], invocation.options));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    return Invocation{
        Command::kPrintAndExit, {}, absl::StrCat(version, "\n"), {}};
  } catch (const CLI::CallForHelp&) {
    return Invocation{Command::kPrintAndExit, {}, app.help(), {}};
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  if (check->parsed()) {
    invocation.command = Command::kCheck;
    return invocation;
  }
  if (exporting->parsed()) {
    invocation.command = Command::kExport;
    return invocation;
  }
  status = SetAll(given, texts, &invocation.options);
  if (!status.ok()) return status;
  if (healthcheck->parsed()) {
    invocation.command = Command::kHealthcheck;
  } else {
    invocation.strays = StrayVariables(environ, EnvironmentNames());
  }
  return invocation;
}

}  // namespace backprop
