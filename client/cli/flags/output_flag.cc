// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/output_flag.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/data/file_bytes.h"

namespace backprop::cli {

absl::Status WriteOutput(const std::string& output, const std::string& bytes) {
  absl::Status status = WriteFile(output, bytes, IfThere::kReplace);
  if (status.ok()) return status;
  return absl::Status(
      status.code(), absl::StrCat("--output: ", std::string(status.message())));
}

void TellOutput(const GlobalFlags& global, const std::string& output,
                const Json& object, const std::string& words) {
  std::ostream& out = output == "-" ? std::cerr : std::cout;
  if (global.json) {
    PrintJson(object, out);
  } else {
    out << words << std::endl;
  }
}

}  // namespace backprop::cli
