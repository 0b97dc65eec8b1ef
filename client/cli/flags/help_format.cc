// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/help_format.h"

#include <cctype>
#include <sstream>
#include <vector>

#include "absl/strings/str_split.h"
#include "client/cli/text/wrapped.h"

namespace backprop::cli {
namespace {

constexpr size_t kColumns = 80;

// Under each command's own help.
constexpr char kElsewhere[] =
    "What every command takes, such as --address and --json: backprop --help\n";

// "Usage: backprop …", "Options:" and the titles of other groups.
bool BeginsPart(const std::string& line) {
  return std::isupper(static_cast<unsigned char>(line[0])) != 0 &&
         (line.ends_with(':') || line.starts_with("Usage:"));
}

}  // namespace

std::string HelpFormat::make_description(const CLI::App* command) const {
  return Wrapped(CLI::Formatter::make_description(command), kColumns);
}

std::string HelpFormat::make_help(const CLI::App* command, std::string name,
                                  CLI::AppFormatMode mode) const {
  std::string text;
  const std::vector<std::string> lines = absl::StrSplit(
      CLI::Formatter::make_help(command, std::move(name), mode), '\n');
  // CLI11 leaves empty lines here and there: between groups of options, but not
  // before the first.
  for (const std::string& line : lines) {
    if (line.empty()) continue;
    if (BeginsPart(line) && !text.empty()) text += '\n';
    text += line + '\n';
  }
  const std::string& footer = command->get_footer();
  if (!footer.empty()) text += '\n' + footer + '\n';
  return command->get_parent() == nullptr ? text : text + '\n' + kElsewhere;
}

std::string HelpFormat::make_footer(const CLI::App*) const { return ""; }

std::string HelpFormat::make_group(
    std::string group, bool is_positional,
    std::vector<const CLI::Option*> options) const {
  // What may be named instead is told where it stands without its name.
  if (!is_positional) {
    std::erase_if(options, [](const CLI::Option* option) {
      return option->get_positional();
    });
  }
  return CLI::Formatter::make_group(std::move(group), is_positional, options);
}

std::string HelpFormat::make_option_opts(const CLI::Option* option) const {
  // That it is required can be seen in the line above.
  return option->get_positional() ? ""
                                  : CLI::Formatter::make_option_opts(option);
}

std::string HelpFormat::make_option_desc(const CLI::Option* option) const {
  return Wrapped(CLI::Formatter::make_option_desc(option),
                 kColumns - get_column_width());
}

std::string HelpFormat::make_subcommand(const CLI::App* command) const {
  std::stringstream out;
  CLI::detail::format_help(
      out, command->get_display_name(true),
      Wrapped(command->get_description(), kColumns - get_column_width()),
      get_column_width());
  return out.str();
}

}  // namespace backprop::cli
