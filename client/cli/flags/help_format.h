// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_FLAGS_HELP_FORMAT_H_
#define BACKPROP_CLIENT_CLI_FLAGS_HELP_FORMAT_H_

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

namespace backprop::cli {

// --help in 80 columns: descriptions are wrapped beside their options' names,
// and an empty line stands before each group.
class HelpFormat : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* command, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_footer(const CLI::App* command) const override;
  std::string make_description(const CLI::App* command) const override;
  std::string make_group(
      std::string group, bool is_positional,
      std::vector<const CLI::Option*> options) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_HELP_FORMAT_H_
