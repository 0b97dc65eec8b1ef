// SPDX-License-Identifier: Apache-2.0
//
// History's part of a journal's changes (history.h): it begins with a block of
// one moment, grows by a block with each commit, loses what is beyond its
// limits, is cut where the session goes back, and ends.
#ifndef BACKPROP_SERVER_SESSIONS_HISTORY_WRITER_H_
#define BACKPROP_SERVER_SESSIONS_HISTORY_WRITER_H_

#include <chrono>
#include <cstdint>

#include "server/sessions/history.h"
#include "server/sessions/journal_moment.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/stored_pieces.h"
#include "server/store/store.h"

namespace backprop {

class HistoryWriter {
 public:
  // Both must outlive the object. pieces: where history is known and changed.
  HistoryWriter(const SessionCodec& codec, StoredPieces& pieces)
      : codec_(codec), pieces_(pieces) {}

  // Of these steps, or of one moment, done by the present spec.
  void PutBlock(uint64_t base_step, uint64_t step, HistoryBlock block,
                SessionChange& change);
  // The present images are about to be replaced: what led on from them, up to
  // that step, is past.
  void EndGroup(uint64_t step, std::chrono::system_clock::time_point now);
  // After all that brings the session to the moment: what is beyond the spec's
  // limits goes, and what history begins with is put where there is none.
  void Keep(const JournalMoment& moment, SessionChange& change);
  void Forget(SessionChange& change);
  // The session, which had come to that step, is at the moment of its past
  // again: what there is up to it becomes past, the rest goes.
  void CutAfter(const JournalMoment& moment, uint64_t had_come_to,
                SessionChange& change);

 private:
  void PutMoment(const JournalMoment& moment, SessionChange& change);
  PastPieces::Present PresentBlocks() const;

  const SessionCodec& codec_;
  StoredPieces& pieces_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_HISTORY_WRITER_H_
