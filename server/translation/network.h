// SPDX-License-Identifier: Apache-2.0
//
// Layers and loss: between v1.SessionSpec and the engine's structs.
#ifndef BACKPROP_SERVER_TRANSLATION_NETWORK_H_
#define BACKPROP_SERVER_TRANSLATION_NETWORK_H_

#include <vector>

#include "backprop/v1/network.pb.h"
#include "engine/contract/layout.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// Deeper nets of fully connected layers don't learn, and a small message could
// describe millions.
inline constexpr int kMostLayers = 1024;

// Sets spec->network and spec->delta_forms, adds what is wrong to violations,
// with paths that begin with "spec.".
void NetworkFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                      std::vector<FieldViolation>& violations);

// The forms are the layout's.
void NetworkToProto(const NetworkSpec& network, const Layout& layout,
                    v1::SessionSpec* proto);

void LayoutToProto(const Layout& layout, v1::Layout* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_NETWORK_H_
