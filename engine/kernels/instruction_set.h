// SPDX-License-Identifier: Apache-2.0
//
// The vector instructions that Highway chose for this CPU. What the engine adds
// up with them, forward and backward, rounds by how wide they are.
#ifndef BACKPROP_ENGINE_KERNELS_INSTRUCTION_SET_H_
#define BACKPROP_ENGINE_KERNELS_INSTRUCTION_SET_H_

#include <string_view>

namespace backprop {

// Highway's name of them: "AVX3", "AVX2", "NEON" … For people. Any thread.
std::string_view InstructionSet();

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_INSTRUCTION_SET_H_
