// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/help_format.h"

#include <sstream>
#include <vector>

#include "absl/strings/str_split.h"

namespace backprop::cli {
namespace {

constexpr size_t kColumns = 80;

}  // namespace

std::string Wrapped(const std::string& text, size_t width) {
  std::string wrapped;
  size_t column = 0;
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  for (const std::string& word : words) {
    if (!wrapped.empty()) {
      const bool fits = column + 1 + word.size() <= width;
      wrapped += fits ? ' ' : '\n';
      column = fits ? column + 1 : 0;
    }
    wrapped += word;
    column += word.size();
  }
  return wrapped;
}

std::string HelpFormat::make_description(const CLI::App* command) const {
  return Wrapped(CLI::Formatter::make_description(command), kColumns);
}

std::string HelpFormat::make_group(
    std::string group, bool is_positional,
    std::vector<const CLI::Option*> options) const {
  // CLI11 leaves an empty line before each group and one after it.
  std::string text =
      CLI::Formatter::make_group(std::move(group), is_positional, options);
  return text.starts_with('\n') && !is_positional ? text.substr(1) : text;
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
