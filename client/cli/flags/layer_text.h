// SPDX-License-Identifier: Apache-2.0
//
// A layer as it is typed after --layers:
//   SIZE[:ACTIVATION[=C]][:dropout=P]
//   e.g. 10, 128:relu, 64:leaky-relu=0.2, 128:relu:dropout=0.1
#ifndef BACKPROP_CLIENT_CLI_FLAGS_LAYER_TEXT_H_
#define BACKPROP_CLIENT_CLI_FLAGS_LAYER_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"

namespace backprop::cli {

// For --help: the form, and what can be chosen.
std::string LayerHelp();

// Errors are usage errors of --layers.
absl::StatusOr<v1::Layer> ParseLayer(const std::string& text);

// "leaky-relu=0.2": a layer's activation as it could be typed.
std::string ActivationText(const v1::Layer& layer);

// "784-128:relu-10:softmax": layers as they could be typed.
std::string NetworkText(const v1::SessionSpec& spec);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_LAYER_TEXT_H_
