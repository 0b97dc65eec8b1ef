// SPDX-License-Identifier: Apache-2.0
//
// What somebody may have meant who mistyped a name.
#ifndef BACKPROP_CLIENT_CLI_TEXT_NEAR_NAME_H_
#define BACKPROP_CLIENT_CLI_TEXT_NEAR_NAME_H_

#include <string>
#include <string_view>
#include <vector>

namespace backprop::cli {

// The name that `word` is nearest to, the first of equals:
//   --optimizer -> --optimiser
//   trian -> train
// For each three letters, and up to two in all, one may be missing, too many,
// another, or have changed places with the next. Empty if no name is that near.
std::string NearName(std::string_view word,
                     const std::vector<std::string>& names);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_NEAR_NAME_H_
