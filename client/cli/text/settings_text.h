// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_TEXT_SETTINGS_TEXT_H_
#define BACKPROP_CLIENT_CLI_TEXT_SETTINGS_TEXT_H_

#include <string>
#include <utility>
#include <vector>

namespace backprop::cli {

// What something is, in 80 columns: a line for each pair of a label and its
// value, and more where a value is too long for one.
std::string SettingsText(
    const std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_SETTINGS_TEXT_H_
