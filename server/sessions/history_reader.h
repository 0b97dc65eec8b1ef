// SPDX-License-Identifier: Apache-2.0
//
// From the store back to a session's history, and to what it was after one of
// the steps that this has.
#ifndef BACKPROP_SERVER_SESSIONS_HISTORY_READER_H_
#define BACKPROP_SERVER_SESSIONS_HISTORY_READER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/contract/layout.h"
#include "server/sessions/history.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/session_table.h"
#include "server/store/store.h"

namespace backprop {

// Of a session as it is stored. Fails where the store does.
absl::StatusOr<History> ReadHistory(const StoredSession& stored,
                                    const SessionRecord& record,
                                    ReadableStore& store,
                                    const SessionCodec& codec);

// A step of the past.
struct PastStep {
  PieceName block;  // that leads to it
  uint64_t step = 0;
};

// What the session was beside weights and optimiser state when that step had
// just been done; layout: the session's. Fails with DATA_LOSS, or as the store
// does.
absl::StatusOr<SessionRecord> ReadRecordAt(const StoredSession& stored,
                                           const PastStep& at,
                                           const Layout& layout,
                                           ReadableStore& store,
                                           const SessionCodec& codec);

// The whole session as it was then, as a session of its own that nobody else
// has. Fails likewise, or with SESSION_LIMIT where there is no room for it.
absl::StatusOr<std::shared_ptr<Session>> RestoreStep(
    const StoredSession& stored, const PastStep& at, const Layout& layout,
    ReadableStore& store, const SessionCodec& codec, SessionTable& sessions);

// The same for a caller, who is told SESSION_DAMAGED or STORE_FAILED.
// STEP_NOT_KEPT: the history has no such step any more.
absl::StatusOr<std::shared_ptr<Session>> ReadStep(
    const std::string& id, uint64_t step, const Layout& layout, Store& store,
    const SessionCodec& codec, SessionTable& sessions);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_HISTORY_READER_H_
