// SPDX-License-Identifier: Apache-2.0
//
// Between v1.Checkpoint, what requests say of one, and the server's.
#ifndef BACKPROP_SERVER_TRANSLATION_CHECKPOINT_H_
#define BACKPROP_SERVER_TRANSLATION_CHECKPOINT_H_

#include <google/protobuf/duration.pb.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/sessions/checkpoint.h"

namespace backprop {

void CheckpointToProto(const std::string& session_id,
                       const Checkpoint& checkpoint, v1::Checkpoint* proto);

// INVALID_REQUEST on that field where no checkpoint can be called so.
absl::Status CheckCheckpointName(const std::string& name,
                                 std::string_view field);

// When what is kept for so long expires. Fails with INVALID_REQUEST on the
// field expire_after.
absl::StatusOr<Checkpoint::Time> ExpireTimeFromProto(
    const google::protobuf::Duration& expire_after, Checkpoint::Time now);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_CHECKPOINT_H_
