// SPDX-License-Identifier: Apache-2.0
//
// From what the store has of a session to what it is: read by those who bring
// it back, and by those who look whether it could be.
#ifndef BACKPROP_SERVER_SESSIONS_STORED_RECORD_H_
#define BACKPROP_SERVER_SESSIONS_STORED_RECORD_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/contract/layout.h"
#include "server/sessions/session.h"
#include "server/sessions/session_codec.h"
#include "server/store/store.h"

namespace backprop {

// Whether steps of the one move the other.
bool SameLayout(const Layout& a, const Layout& b);

// Fails with DATA_LOSS, or as the store does.
absl::StatusOr<SessionRecord> ReadRecord(const StoredSession& stored,
                                         const SessionCodec& codec,
                                         ReadableStore& store);

// What a caller is told of a moment of a session's past that could not be
// brought back from the store: SESSION_DAMAGED, STORE_FAILED, or why as it is.
absl::Status CantBeRead(const std::string& what, const absl::Status& why);

// session: made from that record, and known to nobody. It stands where it was
// durable afterwards, or this fails as RestoreNumbers does.
absl::Status RestoreSession(const StoredSession& stored,
                            const SessionRecord& record, ReadableStore& store,
                            Session& session);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_STORED_RECORD_H_
