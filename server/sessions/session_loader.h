// SPDX-License-Identifier: Apache-2.0
//
// Brings back the sessions that a store holds, when a server starts.
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_LOADER_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_LOADER_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/sessions/committer.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/session_table.h"
#include "server/store/store.h"

namespace backprop {

// What loading needs; all of it outlives the sessions.
struct SessionLoading {
  Store& store;
  const SessionCodec& codec;
  Committer& committer;
  SessionTable& sessions;
  // Told of each session that is back.
  std::function<void(const Session&)> loaded;
  // Told of each session that can't be brought back, and why. It stays in the
  // store as it is.
  std::function<void(const std::string& id, const absl::Status& why)> damaged;
};

// Brings back all of them, each at the step where it was durable and in its
// next epoch, which is durable on return: nobody may be told of a step of an
// epoch that a crash could take back. Returns how many. Fails where the store
// does.
absl::StatusOr<size_t> LoadSessions(const SessionLoading& loading);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_LOADER_H_
