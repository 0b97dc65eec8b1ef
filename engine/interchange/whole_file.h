// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_ENGINE_INTERCHANGE_WHOLE_FILE_H_
#define BACKPROP_ENGINE_INTERCHANGE_WHOLE_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace backprop {

// What becomes of a file of that name that is there.
enum class IfThere { kReplace, kRefuse };

// Writes the file whole or not at all: beside its place, under a name that
// nobody has, then it is moved there. Afterwards a loss of power leaves it as
// it is, where its folder can be synced. Fails with ALREADY_EXISTS where it was
// not to be replaced, even if it came meanwhile, and with INTERNAL where it
// can't be written; then nothing is left of it. Only where the disk fails last
// of all the file is there, and the error says so.
absl::Status WriteWhole(const std::string& file, std::string_view bytes,
                        IfThere if_there);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_INTERCHANGE_WHOLE_FILE_H_
