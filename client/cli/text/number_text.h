// SPDX-License-Identifier: Apache-2.0
//
// Numbers for people.
#ifndef BACKPROP_CLIENT_CLI_TEXT_NUMBER_TEXT_H_
#define BACKPROP_CLIENT_CLI_TEXT_NUMBER_TEXT_H_

#include <cstdint>
#include <string>

namespace backprop::cli {

// 60000 → "60,000"
std::string Grouped(uint64_t number);
// 63840000 → "63.8 MB"; powers of 1000.
std::string ByteText(double bytes);
// 0x1f → "000000000000001f"
std::string DigestText(uint64_t digest);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_TEXT_NUMBER_TEXT_H_
