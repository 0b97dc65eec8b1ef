// SPDX-License-Identifier: Apache-2.0
//
// What is said when training ends because the server went away: whether the
// session is still there, and what can be done. A server that shuts down takes
// its sessions with it; a connection that breaks leaves them.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_LOST_SERVER_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_LOST_SERVER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// The training that was cut short.
struct LostTraining {
  std::string address;  // of the server
  std::string session_id;
  uint64_t steps = 0;  // that were answered
  std::string output;  // the file that has the weights; empty: none has
};

// Whether a call that ended so leaves in doubt what became of its session: the
// server or the way to it is gone, or a proxy cut the stream.
bool LeavesSessionInDoubt(const absl::Status& status);

// status: as the stream or a call ended, one that LeavesSessionInDoubt. Asks
// the server, unless it has said that it shuts down, what it knows of the
// session. The answer is never OK, and keeps the ConnectionFault.
absl::Status LostServer(TrainingClient& client, const LostTraining& training,
                        const absl::Status& status);

// Whether a status is LostServer's.
bool IsLostServer(const absl::Status& status);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_LOST_SERVER_H_
