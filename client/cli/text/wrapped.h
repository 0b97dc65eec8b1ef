// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_TEXT_WRAPPED_H_
#define BACKPROP_CLIENT_CLI_TEXT_WRAPPED_H_

#include <cstddef>
#include <string>

namespace backprop::cli {

// Breaks text between words, so that no line has more than `width` columns
// unless a word has.
std::string Wrapped(const std::string& text, size_t width);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_WRAPPED_H_
