// SPDX-License-Identifier: Apache-2.0
//
// Text of another machine, as a terminal may show it.
#ifndef BACKPROP_CLIENT_CPP_READABLE_TEXT_H_
#define BACKPROP_CLIENT_CPP_READABLE_TEXT_H_

#include <string>
#include <string_view>

namespace backprop {

// `text` with U+FFFD for each byte that is no UTF-8, and for control characters
// (U+0000 to U+001F but newline and tab, U+007F to U+009F), some of which a
// terminal obeys. Any thread.
std::string ReadableText(std::string_view text);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_READABLE_TEXT_H_
