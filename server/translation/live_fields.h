// SPDX-License-Identifier: Apache-2.0
//
// The fields of a session's spec that may change while it lives: those that
// network.proto marks (live). The marks are read from the descriptors, so a
// field that gets one is accepted by UpdateSession without further ado.
#ifndef BACKPROP_SERVER_TRANSLATION_LIVE_FIELDS_H_
#define BACKPROP_SERVER_TRANSLATION_LIVE_FIELDS_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "backprop/v1/network.pb.h"

namespace backprop {

struct LiveField {
  // From SessionSpec on, as a field mask has it: "optimiser.adam.beta1",
  // "layers.dropout".
  std::string path;
  // The same, field by field.
  std::vector<const google::protobuf::FieldDescriptor*> fields;
};

// All of them, in the order of their declaration.
const std::vector<LiveField>& LiveFields();

// Null if the path leads to no live field.
const LiveField* FindLiveField(std::string_view path);

// Whether such a spec has the field: not where it lies in a kind of optimiser
// that the spec's is not.
bool HasField(const v1::SessionSpec& spec, const LiveField& field);

// Sets the field in `spec` to what `given` has; what is not set there is
// cleared. A field of the layers is set layer by layer. Fails with
// INVALID_REQUEST if `given` has not as many layers.
absl::Status CopyField(const v1::SessionSpec& given, const LiveField& field,
                       v1::SessionSpec* spec);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_LIVE_FIELDS_H_
