// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/name_table.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

namespace backprop::cli {

std::string FlagCase(std::string_view name) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(std::string(name)),
                             {{"_", "-"}});
}

std::vector<EnumName> EnumNames(
    const google::protobuf::EnumDescriptor& descriptor) {
  // Each name begins with the enum's, as that of its value 0 shows.
  constexpr std::string_view kNoValue = "UNSPECIFIED";
  const size_t prefix = descriptor.value(0)->name().size() - kNoValue.size();
  std::vector<EnumName> names;
  for (int i = 1; i < descriptor.value_count(); ++i) {
    const google::protobuf::EnumValueDescriptor& value = *descriptor.value(i);
    names.push_back({FlagCase(value.name().substr(prefix)), value.number()});
  }
  return names;
}

}  // namespace backprop::cli
