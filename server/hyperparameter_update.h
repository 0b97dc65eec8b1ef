// SPDX-License-Identifier: Apache-2.0
//
// UpdateSession's work: what a session is trained with from its next step on.
#ifndef BACKPROP_SERVER_HYPERPARAMETER_UPDATE_H_
#define BACKPROP_SERVER_HYPERPARAMETER_UPDATE_H_

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/session.h"

namespace backprop {

// Only within a turn of the session's lane. Changes all that the request's mask
// names, or fails with INVALID_REQUEST and changes nothing.
absl::Status UpdateHyperparameters(const v1::UpdateSessionRequest& request,
                                   Session& session,
                                   v1::UpdateSessionResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_HYPERPARAMETER_UPDATE_H_
