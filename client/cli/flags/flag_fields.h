// SPDX-License-Identifier: Apache-2.0
//
// Which flag sets which field of a request: what a number must be like the
// server says, by field; people typed flags.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_FLAG_FIELDS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_FLAG_FIELDS_H_

#include <string>
#include <string_view>

namespace backprop::cli {

// Where a field of the session's spec stands in a request.
inline constexpr std::string_view kSpecPrefix = "spec.";

// The flag for a field of a session's spec: "--momentum" for
// "optimiser.sgd.momentum", "--layers" for "layers[2].size". A field that no
// row of the table is for has a flag of its own name, so there may be no such
// flag.
std::string FlagOf(std::string_view field);

// The same for a field of a whole request, which is "spec." and a field of the
// spec, or one of the few others that flags set, such as "session_id"; empty
// for all that no flag is for.
std::string FlagOfRequest(std::string_view field);

// What the flag's value has at fault, if that is one of several things in it:
// "layer 3's size ", "number 2 "; otherwise empty.
std::string PartOf(std::string_view field);

// "layers[2].size" without the index.
std::string WithoutIndex(std::string_view field);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_FLAG_FIELDS_H_
