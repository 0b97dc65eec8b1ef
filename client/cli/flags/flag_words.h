// SPDX-License-Identifier: Apache-2.0
//
// The server explains a field in the protocol's words ("must be a multiple of
// batch_size 4", "is for LEAKY_RELU and ELU only"). People know the flags.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_FLAG_WORDS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_FLAG_WORDS_H_

#include <functional>
#include <string>
#include <string_view>

namespace backprop::cli {

// The text with the protocol's words as people type them: values of its enums
// by their names in the flags ("leaky-relu"), fields by their flags
// ("--batch-size"), and layers counted from 1.
//
// field: which field the text is about, e.g. "spec.layers[1].size"; the words
// for other fields are those near it, in the same message or one around it.
// has_flag: whether the command has a flag of that name; a field that it has
// none for keeps its own.
std::string InFlagWords(
    std::string_view text, std::string_view field,
    const std::function<bool(const std::string& flag)>& has_flag);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_FLAG_WORDS_H_
