// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "client/cli/flags/help_format.h"

namespace backprop::cli {
namespace {

// The innermost command that was typed.
const CLI::App& Innermost(const CLI::App& app) {
  const std::vector<CLI::App*> typed = app.get_subcommands();
  return typed.empty() ? app : Innermost(*typed.front());
}

std::string PathOf(const CLI::App& command) {
  if (command.get_parent() == nullptr) return command.get_name();
  return PathOf(*command.get_parent()) + " " + command.get_name();
}

// CLI11's reason in a sentence: for a missing value it says
//   --until-error: 1 required ERROR missing
// and for an option that is there twice
//   --address: At Most 1 required but received 2
std::string TextOf(const CLI::ParseError& error) {
  std::string text = error.what();
  const size_t colon = text.find(": ");
  if (!text.starts_with("--") || colon == std::string::npos) return text;
  const std::string option = text.substr(0, colon);
  const std::string reason = text.substr(colon + 2);
  constexpr std::string_view kMissing = "1 required ";
  constexpr std::string_view kEnd = " missing";
  if (reason.starts_with(kMissing) && reason.ends_with(kEnd)) {
    return option + ": needs a value behind it: " +
           reason.substr(kMissing.size(), reason.rfind(kEnd) - kMissing.size());
  }
  if (reason.starts_with("At Most 1 required but received ")) {
    return option + ": is given more than once";
  }
  return text;
}

template <typename... Line>
absl::StatusOr<bool> ParseWith(CLI::App& app, const Line&... line) {
  try {
    app.parse(line...);
    return true;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      return absl::InvalidArgumentError(TextOf(error));
    }
    app.exit(error);
    return false;
  }
}

}  // namespace

Option* Option::type_name(const std::string& name) {
  option_->type_name(name);
  return this;
}

Option* Option::group(const std::string& name) {
  option_->group(name);
  return this;
}

Option* Option::check(const Check& check) {
  // No description: --help names the value already.
  option_->check(CLI::Validator(check, ""));
  return this;
}

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::envname(const std::string& variable) {
  option_->envname(variable);
  return this;
}

Option* Option::capture_default_str() {
  option_->capture_default_str();
  return this;
}

Option* Option::default_str(const std::string& text) {
  option_->default_str(text);
  return this;
}

Option* Option::option_text(const std::string& text) {
  option_->option_text(text);
  return this;
}

Option* Option::expected(int least, int most) {
  option_->expected(least, most);
  return this;
}

Option* Option::delimiter(char character) {
  option_->delimiter(character);
  return this;
}

Option* Option::allow_extra_args(bool allow) {
  option_->allow_extra_args(allow);
  return this;
}

Option* Option::needs(Option* other) {
  option_->needs(other->option_);
  return this;
}

// Deques, because callers keep pointers.
struct Command::Owned {
  std::unique_ptr<CLI::App> program;  // null in a subcommand
  std::deque<Option> options;
  std::deque<std::unique_ptr<Command>> subcommands;
};

Command::Command(const std::string& description, const std::string& name)
    : owned_(std::make_unique<Owned>()) {
  owned_->program = std::make_unique<CLI::App>(description, name);
  app_ = owned_->program.get();
  // Subcommands take it over.
  app_->formatter(std::make_shared<HelpFormat>());
}

Command::Command(CLI::App* app) : owned_(std::make_unique<Owned>()), app_(app) {
  app_->footer("");  // CLI11 gives it the one of the command above
}

Command::~Command() = default;

Command* Command::add_subcommand(const std::string& name,
                                 const std::string& description) {
  owned_->subcommands.emplace_back(
      new Command(app_->add_subcommand(name, description)));
  return owned_->subcommands.back().get();
}

template <typename Value>
Option* Command::add_option(const std::string& names, Value& value,
                            const std::string& help) {
  return &owned_->options.emplace_back(app_->add_option(names, value, help));
}

Option* Command::add_flag(const std::string& name, bool& given,
                          const std::string& help) {
  return &owned_->options.emplace_back(app_->add_flag(name, given, help));
}

void Command::set_version_flag(const std::string& name, const std::string& text,
                               const std::string& help) {
  app_->set_version_flag(name, text, help);
}

void Command::fallthrough() { app_->fallthrough(); }

void Command::footer(const std::string& text) { app_->footer(text); }

void Command::callback(const std::function<void()>& call) {
  app_->callback(call);
}

absl::StatusOr<bool> Command::Parse(int argc, const char* const* argv) {
  return ParseWith(*app_, argc, argv);
}

absl::StatusOr<bool> Command::Parse(const std::string& line) {
  return ParseWith(*app_, line);
}

std::string Command::typed_path() const { return PathOf(Innermost(*app_)); }

std::vector<std::string> Command::choices() const {
  std::vector<std::string> names;
  for (const CLI::App* choice :
       Innermost(*app_).get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(choice->get_name());
  }
  return names;
}

std::vector<std::string> Command::unknown() const {
  return app_->remaining(/*recurse=*/true);
}

std::vector<std::string> Command::given_of(const Command& other) const {
  std::vector<std::string> given;
  for (const std::string& name : other.option_names()) {
    const CLI::Option* const own = app_->get_option_no_throw(name);
    if (own != nullptr && own->count() > 0) given.push_back(name);
  }
  return given;
}

size_t Command::count(const std::string& name) const {
  return app_->count(name);
}

std::vector<std::string> Command::option_names() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : app_->get_options()) {
    names.push_back(option->get_name());
  }
  return names;
}

std::vector<OptionUse> Command::typed_options() const {
  std::vector<OptionUse> uses;
  for (const CLI::Option* option : Innermost(*app_).get_options()) {
    uses.push_back({option->get_name(), option->count() > 0});
  }
  return uses;
}

template Option* Command::add_option(const std::string&, std::string&,
                                     const std::string&);
template Option* Command::add_option(const std::string&, float&,
                                     const std::string&);
template Option* Command::add_option(const std::string&, double&,
                                     const std::string&);
template Option* Command::add_option(const std::string&, uint32_t&,
                                     const std::string&);
template Option* Command::add_option(const std::string&, uint64_t&,
                                     const std::string&);
template Option* Command::add_option(const std::string&,
                                     std::optional<std::string>&,
                                     const std::string&);
template Option* Command::add_option(const std::string&, std::optional<float>&,
                                     const std::string&);
template Option* Command::add_option(const std::string&, std::optional<double>&,
                                     const std::string&);
template Option* Command::add_option(const std::string&,
                                     std::optional<uint32_t>&,
                                     const std::string&);
template Option* Command::add_option(const std::string&,
                                     std::optional<uint64_t>&,
                                     const std::string&);
template Option* Command::add_option(const std::string&, std::vector<float>&,
                                     const std::string&);
template Option* Command::add_option(const std::string&,
                                     std::vector<std::string>&,
                                     const std::string&);

}  // namespace backprop::cli
