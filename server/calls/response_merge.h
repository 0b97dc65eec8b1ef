// SPDX-License-Identifier: Apache-2.0
//
// One response in place of two (TrainOptions.coalesce).
#ifndef BACKPROP_SERVER_CALLS_RESPONSE_MERGE_H_
#define BACKPROP_SERVER_CALLS_RESPONSE_MERGE_H_

#include <cstddef>

#include "backprop/v1/training_service.pb.h"

namespace backprop {

// Appends `next`, which follows on *merged, to it. False, changing nothing:
// what they say can't be said in one. scalar_count: of the session's layout.
bool MergeResponse(const v1::TrainResponse& next, size_t scalar_count,
                   v1::TrainResponse* merged);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_RESPONSE_MERGE_H_
