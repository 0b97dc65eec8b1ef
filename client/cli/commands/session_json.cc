// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/session_json.h"

#include <google/protobuf/util/json_util.h>

namespace backprop::cli {

std::string SessionJson(const v1::Session& session) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;  // step 0 too
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(session, &json, options);
  return json;
}

}  // namespace backprop::cli
