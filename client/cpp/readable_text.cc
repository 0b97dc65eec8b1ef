// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/readable_text.h"

#include <algorithm>
#include <cstddef>

namespace backprop {
namespace {

// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with
// none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  // These bounds keep out overlong forms, surrogates, and what is no Unicode.
  const unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < least || byte(1) > most) return 0;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

// How many bytes of `text` begin with a control character; 0 if it begins with
// another.
size_t ControlLength(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first == '\n' || first == '\t') return 0;
  if (first < 0x20 || first == 0x7F) return 1;
  const bool is_c1 = first == 0xC2 && text.size() > 1 &&
                     static_cast<unsigned char>(text[1]) >= 0x80 &&
                     static_cast<unsigned char>(text[1]) < 0xA0;
  return is_c1 ? 2 : 0;
}

}  // namespace

std::string ReadableText(std::string_view text) {
  std::string readable;
  while (!text.empty()) {
    const size_t control = ControlLength(text);
    const size_t length = control > 0 ? 0 : SequenceLength(text);
    readable += length > 0 ? text.substr(0, length) : "\xEF\xBF\xBD";
    text.remove_prefix(std::max({length, control, size_t{1}}));
  }
  return readable;
}

}  // namespace backprop
