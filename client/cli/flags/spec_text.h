// SPDX-License-Identifier: Apache-2.0
//
// The parts of a session's spec in words and numbers, for people. Each is read
// from a server's answer, in which all defaults are filled in, and uses the
// names that the flags take.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_SPEC_TEXT_H_
#define BACKPROP_CLIENT_CLI_FLAGS_SPEC_TEXT_H_

#include <string>

#include "backprop/v1/network.pb.h"

namespace backprop::cli {

// "adam, learning rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08"
std::string OptimiserNumbers(const v1::Optimiser& optimiser);

// "l2 0.0001, decoupled 0.01"; empty if there is none.
std::string DecayText(const v1::Optimiser& optimiser);

// "norm 1, each number 0.5"; empty if there is none.
std::string ClippingText(const v1::GradientClipping& clipping);

// "cosine, period of 1,000 steps, down to 0.0001; warm-up of 100 steps"
std::string ScheduleNumbers(const v1::Schedule& schedule);

// "cross-entropy, label smoothing 0.1, class weights 1, 2.5, 1"
std::string LossNumbers(const v1::SessionSpec& spec);

// "he-uniform, seed 7"; "given weights" if the spec has no initialiser.
std::string InitialiserText(const v1::SessionSpec& spec);

// "784 bytes times 0.00392157, standardised as the first 1,000 samples were"
std::string InputText(const v1::SessionSpec& spec);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_SPEC_TEXT_H_
