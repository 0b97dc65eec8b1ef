// SPDX-License-Identifier: Apache-2.0
//
// Metadata: pairs of key and value that travel with every call, as HTTP's
// headers do. A proxy in front of backpropd reads them to know whom to let
// pass; backpropd itself looks at none.
#ifndef BACKPROP_CLIENT_CPP_METADATA_H_
#define BACKPROP_CLIENT_CPP_METADATA_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace backprop {

// A key may come several times. Its letters are taken as lower case, which is
// how HTTP/2 sends them. The value of a key that ends in "-bin" is any bytes,
// that of another printable ASCII without spaces at its ends.
using Metadata = std::vector<std::pair<std::string, std::string>>;

// OK, or INVALID_ARGUMENT with what is wrong with the first pair that cannot
// be sent: gRPC would end the process. Keys that belong to gRPC or HTTP are
// refused too. The text never shows a value, which may be a secret.
absl::Status CheckMetadata(const Metadata& metadata);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_METADATA_H_
