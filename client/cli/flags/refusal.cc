// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/refusal.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/flag_fields.h"
#include "client/cli/flags/flag_words.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

// Between two violations in a message, and within many a description.
constexpr std::string_view kAnd = "; ";
// Between a field and what is wrong with it.
constexpr std::string_view kColon = ": ";

// The length of the field that a clause begins with: "spec.layers[1].size" in
// "spec.layers[1].size: must be at least 1"; 0 if it begins with none.
size_t FieldLength(std::string_view clause) {
  const size_t length = clause.find(kColon);
  if (length == std::string_view::npos) return 0;
  const bool is_path =
      std::ranges::all_of(clause.substr(0, length), [](unsigned char c) {
        return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' ||
               c == '.' || c == '[' || c == ']';
      });
  return is_path ? length : 0;
}

// Where the next violation begins behind the first of `message`; its end if
// there is none.
size_t NextViolation(std::string_view message) {
  for (size_t at = message.find(kAnd); at != std::string_view::npos;
       at = message.find(kAnd, at + kAnd.size())) {
    if (FieldLength(message.substr(at + kAnd.size())) > 0) return at;
  }
  return message.size();
}

class Translation {
 public:
  explicit Translation(const std::vector<OptionUse>& options)
      : options_(options) {}

  // One violation, "field: description".
  std::string Of(std::string_view violation) {
    const size_t length = FieldLength(violation);
    const std::string_view field = violation.substr(0, length);
    std::string flag = FlagOfRequest(field);
    // Where a network is described, a layer's dropout is typed with it.
    if (flag == "--dropout" && Find(flag) == nullptr) flag = "--layers";
    const OptionUse* const option = Find(flag);
    if (option == nullptr) return std::string(violation);
    any_ = true;
    const std::string description =
        InFlagWords(violation.substr(length + kColon.size()), field,
                    [this](const std::string& name) { return Find(name); });
    if (option->given) {
      return absl::StrCat(flag, ": ", PartOf(field), description);
    }
    // What was left out reached the server as 0, which nobody typed.
    constexpr std::string_view kZero = "is 0;";
    if (description.starts_with(kZero)) {
      return absl::StrCat(flag, ": is not given;",
                          description.substr(kZero.size()));
    }
    return absl::StrCat(flag, " (not given): ", PartOf(field), description);
  }

  // Whether any violation was told by its flag.
  bool any() const { return any_; }

 private:
  // Null if the command has no such flag.
  const OptionUse* Find(const std::string& flag) const {
    const auto found = std::ranges::find(options_, flag, &OptionUse::name);
    return found == options_.end() ? nullptr : &*found;
  }

  const std::vector<OptionUse>& options_;
  bool any_ = false;
};

}  // namespace

absl::Status InFlags(const absl::Status& status,
                     const std::vector<OptionUse>& options) {
  if (ViolationsOf(status).empty()) return status;
  // The message has every violation (client/cpp/call_status.h), the details
  // only as many as the server sends.
  const std::string message(status.message());
  Translation translation(options);
  std::string told;
  for (std::string_view rest = message; !rest.empty();) {
    const size_t end = NextViolation(rest);
    absl::StrAppend(&told, told.empty() ? "" : "; ",
                    translation.Of(rest.substr(0, end)));
    rest.remove_prefix(std::min(rest.size(), end + kAnd.size()));
  }
  if (!translation.any()) return status;
  absl::Status retold = Retold(status, told);
  return absl::IsInvalidArgument(status) ? AsUsageError(std::move(retold))
                                         : retold;
}

}  // namespace backprop::cli
