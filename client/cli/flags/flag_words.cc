// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/flag_words.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/flag_fields.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

using HasFlag = std::function<bool(const std::string& flag)>;

// Words here are numbers, names, and paths of names.
size_t WordLength(std::string_view text) {
  size_t length = 0;
  while (length < text.size() &&
         (absl::ascii_isalnum(static_cast<unsigned char>(text[length])) ||
          text[length] == '_' || text[length] == '.')) {
    ++length;
  }
  // A full stop ends no word.
  while (length > 0 && text[length - 1] == '.') --length;
  return length;
}

// "leaky-relu" for LEAKY_RELU; empty for what is no value of the spec's enums.
std::string ValueName(const std::string& word) {
  const bool capitals = std::ranges::none_of(word, [](unsigned char character) {
    return absl::ascii_islower(character);
  });
  if (!capitals) return "";
  const google::protobuf::FileDescriptor& file =
      *v1::SessionSpec::descriptor()->file();
  for (int i = 0; i < file.enum_type_count(); ++i) {
    for (const EnumName& value : EnumNames(*file.enum_type(i))) {
      if (value.name == FlagCase(word)) return value.name;
    }
  }
  return "";
}

// The flag for the field `name` in the message that holds `field` or in the
// nearest around it that has such a field; empty if none has.
std::string NearbyFlag(std::string_view field, const std::string& name) {
  std::vector<std::string> path =
      absl::StrSplit(WithoutIndex(field.substr(kSpecPrefix.size())), '.');
  std::vector<const google::protobuf::Descriptor*> around = {
      v1::SessionSpec::descriptor()};
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const auto* const step = around.back()->FindFieldByName(path[i]);
    if (step == nullptr || step->message_type() == nullptr) break;
    around.push_back(step->message_type());
  }
  for (; !around.empty(); around.pop_back()) {
    path.resize(around.size() - 1);
    if (around.back()->FindFieldByName(name) == nullptr) continue;
    path.push_back(name);
    return FlagOf(absl::StrJoin(path, "."));
  }
  return "";
}

// Turns one text's words over, one after the other.
class Words {
 public:
  Words(std::string_view field, const HasFlag& has_flag)
      : field_(field), has_flag_(has_flag) {}

  std::string Turned(const std::string& word) {
    const std::string before = std::exchange(before_, word);
    int layer = 0;
    if (before == "layer" && absl::SimpleAtoi(word, &layer)) {
      return absl::StrCat(int64_t{layer} + 1);
    }
    if (std::string value = ValueName(word); !value.empty()) return value;
    if (word.find('.') != std::string::npos) {
      // This may have an index behind it.
      if (word.starts_with(kSpecPrefix)) return word;
      // By its path in the request: "leave fork.with_state out".
      const std::string flag = FlagOfRequest(word);
      return has_flag_(flag) ? flag : word;
    }
    // Of fields whose names are everyday words only those to be set are meant.
    const bool is_field =
        word.find('_') != std::string::npos || before == "set";
    if (is_field && field_.starts_with(kSpecPrefix)) {
      std::string flag = NearbyFlag(field_, word);
      if (!flag.empty() && has_flag_(flag)) return flag;
    }
    return word;
  }

 private:
  std::string_view field_;
  const HasFlag& has_flag_;
  std::string before_;
};

}  // namespace

std::string InFlagWords(std::string_view text, std::string_view field,
                        const HasFlag& has_flag) {
  Words words(field, has_flag);
  std::string turned;
  while (!text.empty()) {
    const size_t length = WordLength(text);
    if (length == 0) {
      turned.push_back(text[0]);
      text.remove_prefix(1);
      continue;
    }
    turned += words.Turned(std::string(text.substr(0, length)));
    text.remove_prefix(length);
  }
  return turned;
}

}  // namespace backprop::cli
