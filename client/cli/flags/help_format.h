// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_FLAGS_HELP_FORMAT_H_
#define BACKPROP_CLIENT_CLI_FLAGS_HELP_FORMAT_H_

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

namespace backprop::cli {

// --help in 80 columns: descriptions are wrapped beside their options' names.
class HelpFormat : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* command) const override;
  std::string make_group(
      std::string group, bool is_positional,
      std::vector<const CLI::Option*> options) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

// Breaks text between words, so that no line has more than `width` columns
// unless a word has. Exposed for tests.
std::string Wrapped(const std::string& text, size_t width);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_HELP_FORMAT_H_
