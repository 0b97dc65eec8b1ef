// SPDX-License-Identifier: Apache-2.0
#include "server/translation/live_fields.h"

#include <google/protobuf/util/field_mask_util.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "backprop/v1/options.pb.h"
#include "server/sessions/rejection.h"

namespace backprop {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using google::protobuf::util::FieldMaskUtil;

// Adds the live fields of a message that `way` leads to. What is live is so
// with all that is within it. No message of a spec holds itself.
void AddLiveFields(const Descriptor& message, const LiveField& way,
                   std::vector<LiveField>& all) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* const field = message.field(i);
    LiveField to = way;
    absl::StrAppend(&to.path, way.path.empty() ? "" : ".", field->name());
    to.fields.push_back(field);
    if (field->options().GetExtension(v1::live)) {
      all.push_back(std::move(to));
    } else if (field->message_type() != nullptr) {
      AddLiveFields(*field->message_type(), to, all);
    }
  }
}

// Sets what `path` leads to in `to` as it is in `from`; both of one type.
void Copy(const Message& from, const std::string& path, Message* to) {
  FieldMask mask;
  mask.add_paths(path);
  FieldMaskUtil::MergeOptions replace;
  replace.set_replace_message_fields(true);
  replace.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(from, mask, replace, to);
}

}  // namespace

const std::vector<LiveField>& LiveFields() {
  static const auto* const fields = [] {
    auto* const all = new std::vector<LiveField>;
    AddLiveFields(*v1::SessionSpec::descriptor(), {}, *all);
    return all;
  }();
  return *fields;
}

const LiveField* FindLiveField(std::string_view path) {
  const auto found = std::ranges::find(LiveFields(), path, &LiveField::path);
  return found == LiveFields().end() ? nullptr : &*found;
}

bool HasField(const v1::SessionSpec& spec, const LiveField& field) {
  const Message* within = &spec;
  for (const FieldDescriptor* const next : field.fields) {
    if (next->message_type() == nullptr || next->is_repeated()) return true;
    const google::protobuf::Reflection& reflection = *within->GetReflection();
    if (next->real_containing_oneof() != nullptr &&
        !reflection.HasField(*within, next)) {
      return false;
    }
    within = &reflection.GetMessage(*within, next);
  }
  return true;
}

absl::Status CopyField(const v1::SessionSpec& given, const LiveField& field,
                       v1::SessionSpec* spec) {
  const FieldDescriptor* const first = field.fields.front();
  if (!first->is_repeated() || first->message_type() == nullptr) {
    Copy(given, field.path, spec);
    return absl::OkStatus();
  }
  const google::protobuf::Reflection& reflection = *spec->GetReflection();
  const int count = reflection.FieldSize(*spec, first);
  const int count_given = reflection.FieldSize(given, first);
  if (count_given != count) {
    return InvalidField(
        absl::StrCat("spec.", first->name()),
        absl::StrCat("holds ", count_given, "; to set ", field.path,
                     " it must hold the session's ", count));
  }
  const std::string within = field.path.substr(first->name().size() + 1);
  for (int k = 0; k < count; ++k) {
    Copy(reflection.GetRepeatedMessage(given, first, k), within,
         reflection.MutableRepeatedMessage(spec, first, k));
  }
  return absl::OkStatus();
}

}  // namespace backprop
