// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_SESSIONS_EPOCHS_H_
#define BACKPROP_SERVER_SESSIONS_EPOCHS_H_

#include <vector>

#include "server/store/store.h"

namespace backprop {

// The next epoch begins. Epochs before it that no longer say anything to
// MayGoOn are left out: those that begin no earlier than one which follows
// them. Whoever has to have stayed behind their first step has to have stayed
// behind the later one's too. So lives in which nothing was trained leave
// nothing. After std::bad_alloc the epochs are as they were.
void AddEpoch(EpochStart next, std::vector<EpochStart>* epochs);

// The same of all, in order.
std::vector<EpochStart> WhatEpochsSay(const std::vector<EpochStart>& epochs);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_EPOCHS_H_
