// SPDX-License-Identifier: Apache-2.0
//
// The protocol's enums and the engine's, told by one table both ways.
#ifndef BACKPROP_SERVER_TRANSLATION_ENUM_TABLE_H_
#define BACKPROP_SERVER_TRANSLATION_ENUM_TABLE_H_

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/contract/field_violation.h"

namespace backprop {

template <typename Proto, typename Ours>
struct EnumPair {
  Proto proto;
  Ours ours;
};

// The protocol's 0 (not set) means the table's first row. An unknown number
// adds a violation: `field` is no `what` that this server knows.
template <typename Proto, typename Ours, size_t n>
Ours FromProto(const std::array<EnumPair<Proto, Ours>, n>& table, Proto proto,
               const std::string& field, const char* what,
               std::vector<FieldViolation>& violations) {
  const int number = static_cast<int>(proto);
  if (number == 0) return table.front().ours;
  for (const auto& pair : table) {
    if (pair.proto == proto) return pair.ours;
  }
  violations.push_back({field, absl::StrCat("is ", number, ", no ", what,
                                            " that this server knows")});
  return table.front().ours;
}

// Every value of Ours stands in the table.
template <typename Proto, typename Ours, size_t n>
Proto ToProto(const std::array<EnumPair<Proto, Ours>, n>& table, Ours ours) {
  for (const auto& pair : table) {
    if (pair.ours == ours) return pair.proto;
  }
  return Proto{};
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_ENUM_TABLE_H_
