// SPDX-License-Identifier: Apache-2.0
//
// Tables of what a flag's value may be, e.g. {"relu", ACTIVATION_RELU}.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_NAME_TABLE_H_
#define BACKPROP_CLIENT_CLI_FLAGS_NAME_TABLE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags/command.h"

namespace backprop::cli {

template <typename Value>
struct Named {
  std::string_view name;
  Value value;
};

// The choices of a table, for help and error texts.
template <typename Table>
std::string Choices(const Table& table) {
  std::string text;
  for (const auto& entry : table) {
    if (!text.empty()) text += ", ";
    text += entry.name;
  }
  return text;
}

template <typename Value, size_t kSize>
absl::StatusOr<Value> Choose(const std::string& flag,
                             const Named<Value> (&table)[kSize],
                             std::string_view name) {
  for (const auto& entry : table)
    if (entry.name == name) return entry.value;
  return UsageError(
      flag, absl::StrCat("'", std::string(name),
                         "' is not known; choose one of ", Choices(table)));
}

// "?" for what this client does not know.
template <typename Value, size_t kSize>
std::string_view NameOf(const Named<Value> (&table)[kSize], Value value) {
  for (const auto& entry : table)
    if (entry.value == value) return entry.name;
  return "?";
}

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_NAME_TABLE_H_
