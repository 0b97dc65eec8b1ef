// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_SESSIONS_CHECKPOINT_WRITER_H_
#define BACKPROP_SERVER_SESSIONS_CHECKPOINT_WRITER_H_

#include "server/sessions/checkpoint.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/stored_pieces.h"
#include "server/store/store.h"

namespace backprop {

// Checkpoints' part of a change, after all else of it: what `edit` says is made
// of the moment that the change leads to, changed, or removed, with the pieces
// that were there for it alone.
void EditCheckpoints(const SessionCodec& codec, const CheckpointEdit& edit,
                     StoredPieces& pieces, SessionChange& change);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_CHECKPOINT_WRITER_H_
