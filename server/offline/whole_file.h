// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OFFLINE_WHOLE_FILE_H_
#define BACKPROP_SERVER_OFFLINE_WHOLE_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace backprop {

// Writes the file whole or not at all, over what is there: under another name
// first, FILE.partial, and on the disk before it is called FILE.
absl::Status WriteWhole(const std::string& file, std::string_view bytes);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OFFLINE_WHOLE_FILE_H_
