// SPDX-License-Identifier: Apache-2.0
//
// The command line: commands, the options that each takes, and how what was
// typed is read into variables.
//
//   Command app("Trains neural networks on a backpropd.", "backprop");
//   Command* train = app.add_subcommand("train", "Train a network");
//   train->add_option("--epochs", flags.epochs, "Times to go through the data")
//       ->check(WholeNumber(1, 1000))
//       ->type_name("COUNT");
//   absl::StatusOr<bool> go_on = app.Parse(argc, argv);
//
// A thin face on CLI11, whose verbs it keeps. command_line.cc alone includes
// CLI11's headers (and help_format, how --help looks): they cost 6 s of compile
// time in every file that does, and 17 did.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_COMMAND_LINE_H_
#define BACKPROP_CLIENT_CLI_FLAGS_COMMAND_LINE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace backprop::cli {

// What is wrong with the text that stands behind an option; empty: nothing.
using Check = std::function<std::string(const std::string& text)>;

// An option of a command, and whether it stood on the command line.
struct OptionUse {
  std::string name;  // "--layers"
  bool given = false;
};

// One option or flag of a command, to be described in a chain of calls. Lives
// as long as its command does.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  // What its value is, in --help: "COUNT".
  Option* type_name(const std::string& name);
  // The part of --help that it stands in.
  Option* group(const std::string& name);
  // May be called more than once; the value must pass every check.
  Option* check(const Check& check);
  Option* required();
  // Read where the option is not given.
  Option* envname(const std::string& variable);
  // --help tells the variable's present value as the default.
  Option* capture_default_str();
  // The value where the option stands without one.
  Option* default_str(const std::string& text);
  // All that --help has between the option's name and what it does.
  Option* option_text(const std::string& text);
  // From so many values to so many.
  Option* expected(int least, int most);
  // What separates the values of a list.
  Option* delimiter(char character);
  // False: it takes one word, never those behind it too.
  Option* allow_extra_args(bool allow);
  // Not without the other.
  Option* needs(Option* other);

 private:
  CLI::Option* option_;
};

// A command, or the program itself. Owns its options and subcommands. Variables
// that options fill must live until Parse has returned.
class Command {
 public:
  explicit Command(const std::string& description = "",
                   const std::string& name = "");
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  Command* add_subcommand(const std::string& name,
                          const std::string& description);
  // names: "--csv", or "SESSION,--session" for what may stand alone as well.
  // Value: one of those at the end of command_line.cc.
  template <typename Value>
  Option* add_option(const std::string& names, Value& value,
                     const std::string& help);
  Option* add_flag(const std::string& name, bool& given,
                   const std::string& help);
  // Prints `text` and ends.
  void set_version_flag(const std::string& name, const std::string& text,
                        const std::string& help);
  // Options of the command above may stand behind this one too.
  void fallthrough();
  // The end of --help.
  void footer(const std::string& text);
  // Called when this command was typed, after all options were read.
  void callback(const std::function<void()>& call);

  // Reads the command line. False: it asked for --help or --version, which was
  // printed. INVALID_ARGUMENT: CLI11's reason why it cannot be understood.
  absl::StatusOr<bool> Parse(int argc, const char* const* argv);
  // The same of one line of text, without the program's name.
  absl::StatusOr<bool> Parse(const std::string& line);

  // After Parse:
  // The command typed, as in "backprop session create".
  std::string typed_path() const;
  // The options that it takes.
  std::vector<OptionUse> typed_options() const;
  // What may be typed next, behind typed_path().
  std::vector<std::string> choices() const;
  // Words that no command on the line knows.
  std::vector<std::string> unknown() const;
  // Those options of this command that were given and that `other` has as well.
  std::vector<std::string> given_of(const Command& other) const;
  // How often an option of this command was given, by its name "--csv".
  size_t count(const std::string& name) const;

  // "--layers", …, "--help", in the order in which they were added.
  std::vector<std::string> option_names() const;

 private:
  struct Owned;
  explicit Command(CLI::App* app);

  std::unique_ptr<Owned> owned_;
  CLI::App* app_;  // in the program's Owned
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_COMMAND_LINE_H_
