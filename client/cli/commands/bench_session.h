// SPDX-License-Identifier: Apache-2.0
//
// The session that a row of `backprop bench` trains. None is left behind, and
// where that cannot be seen to, it is said.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_BENCH_SESSION_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_BENCH_SESSION_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// Makes a session. Where the answer is lost, what was made is deleted.
absl::StatusOr<v1::Session> MakeBenchSession(TrainingClient& client,
                                             const v1::SessionSpec& spec);

// Deletes the session, whatever `status` says of its training; both are told
// where that fails too. Waits for a step that the server still computes.
absl::Status ForgetBenchSession(TrainingClient& client,
                                const v1::Session& session,
                                const absl::Status& status);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_BENCH_SESSION_H_
