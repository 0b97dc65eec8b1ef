// SPDX-License-Identifier: Apache-2.0
//
// From the store back to a session's checkpoints, and to what it was at one.
#ifndef BACKPROP_SERVER_SESSIONS_CHECKPOINT_READER_H_
#define BACKPROP_SERVER_SESSIONS_CHECKPOINT_READER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/contract/layout.h"
#include "server/sessions/checkpoint.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/session_table.h"
#include "server/store/store.h"

namespace backprop {

// Those of a session as it is stored. One that is damaged is left out, and
// stays in the store with what it holds. Fails where the store does.
absl::StatusOr<CheckpointSet> ReadCheckpoints(const StoredSession& stored,
                                              Store& store,
                                              const SessionCodec& codec);

// The session of that id as it was at its checkpoint, as a session of its own
// that nobody else has; layout: the session's. It has that moment's bits, or
// this fails: as the store does, with DATA_LOSS, or with SESSION_LIMIT where
// there is no room for it.
absl::StatusOr<std::shared_ptr<Session>> RestoreCheckpoint(
    const std::string& id, const Checkpoint& checkpoint, const Layout& layout,
    ReadableStore& store, const SessionCodec& codec, SessionTable& sessions);

// The same for a caller, who is told SESSION_DAMAGED or STORE_FAILED.
// checkpoint: in the store.
absl::StatusOr<std::shared_ptr<Session>> ReadCheckpoint(
    const std::string& id, const Checkpoint& checkpoint, const Layout& layout,
    Store& store, const SessionCodec& codec, SessionTable& sessions);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_CHECKPOINT_READER_H_
