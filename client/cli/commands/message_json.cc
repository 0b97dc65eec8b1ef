// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/message_json.h"

#include <google/protobuf/util/json_util.h>

namespace backprop::cli {

std::string MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;  // step 0 too
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

}  // namespace backprop::cli
