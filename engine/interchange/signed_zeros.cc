// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/signed_zeros.h"

#include <cstddef>

namespace backprop {
namespace {

// Whether the number -0, and no longer one, ends before `next`.
bool EndsNumber(char next) {
  return std::string_view(",]} \t\r\n").find(next) != std::string_view::npos;
}

}  // namespace

std::string WithSignedZeros(std::string_view json) {
  std::string result;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    result += json[i];
    if (in_text && json[i] == '\\' && i + 1 < json.size()) {
      result += json[++i];  // may be a quotation mark
    } else if (json[i] == '"') {
      in_text = !in_text;
    } else if (!in_text && json[i] == '0' && i > 0 && json[i - 1] == '-' &&
               (i + 1 == json.size() || EndsNumber(json[i + 1])) &&
               (i < 2 || json[i - 2] != 'e')) {
      result += ".0";
    }
  }
  return result;
}

}  // namespace backprop
