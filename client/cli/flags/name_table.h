// SPDX-License-Identifier: Apache-2.0
//
// Tables of what a flag's value may be, e.g. {"relu", ACTIVATION_RELU}.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_NAME_TABLE_H_
#define BACKPROP_CLIENT_CLI_FLAGS_NAME_TABLE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

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

template <typename Table>
using ValueOf =
    std::remove_cvref_t<decltype(std::begin(std::declval<Table&>())->value)>;

template <typename Table>
absl::StatusOr<ValueOf<Table>> Choose(const std::string& flag,
                                      const Table& table,
                                      std::string_view name) {
  for (const auto& entry : table) {
    if (entry.name == name) return entry.value;
  }
  return UsageError(
      flag, absl::StrCat("'", std::string(name),
                         "' is not known; choose one of ", Choices(table)));
}

// "?" for what this client does not know.
template <typename Table>
std::string_view NameOf(const Table& table, const ValueOf<Table>& value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.name;
  }
  return "?";
}

// A name of the protocol as flags write it: "leaky-relu" for "LEAKY_RELU".
std::string FlagCase(std::string_view name);

// A protocol's value by its name as a flag takes it: "he-uniform" for
// INITIALISER_KIND_HE_UNIFORM.
struct EnumName {
  std::string name;
  int number = 0;
};
std::vector<EnumName> EnumNames(
    const google::protobuf::EnumDescriptor& descriptor);

// The table of an enum of the protocol: all its values but UNSPECIFIED, in its
// order. What the protocol gets, the flags get with it.
template <typename Enum>
const auto& TableOf() {
  struct Entry {
    std::string name;
    Enum value;
  };
  static const std::vector<Entry>& table = *[] {
    auto* const entries = new std::vector<Entry>;
    for (const EnumName& known :
         EnumNames(*google::protobuf::GetEnumDescriptor<Enum>())) {
      entries->push_back({known.name, static_cast<Enum>(known.number)});
    }
    return entries;
  }();
  return table;
}

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_NAME_TABLE_H_
