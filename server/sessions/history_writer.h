// SPDX-License-Identifier: Apache-2.0
//
// History's part of a journal's changes (history.h): it begins with a block of
// one moment, grows by a block with each commit, loses what is beyond its
// limits, is cut where the session goes back, and ends.
#ifndef BACKPROP_SERVER_SESSIONS_HISTORY_WRITER_H_
#define BACKPROP_SERVER_SESSIONS_HISTORY_WRITER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "server/sessions/block_writer.h"
#include "server/sessions/history.h"
#include "server/sessions/journal_moment.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/session_spec.h"
#include "server/sessions/short_block.h"
#include "server/sessions/stored_pieces.h"
#include "server/store/store.h"

namespace backprop {

class HistoryWriter {
 public:
  // All must outlive the object. most_bytes: that a session's past may take, at
  // most, whatever its spec says. pieces: where history is known and changed;
  // last_block: null, or the last block while it is short.
  HistoryWriter(const SessionCodec& codec, size_t most_bytes,
                StoredPieces& pieces,
                std::shared_ptr<const ShortBlock>& last_block)
      : codec_(codec),
        most_bytes_(most_bytes),
        pieces_(pieces),
        last_block_(last_block) {}

  size_t most_bytes() const { return most_bytes_; }

  // Those by which the session's past is kept.
  HistoryLimits Limits(HistoryLimits spec) const;

  // Steps that were done by the present spec, and their block; maybe in one
  // with the last block.
  void PutBlock(BlockWriter::Ended ended,
                std::chrono::system_clock::time_point now,
                SessionChange& change);
  // The present begins with the image of that number: what led on from the
  // images before it, up to that step, is past.
  void BeginPresent(uint64_t first_live, uint64_t step,
                    std::chrono::system_clock::time_point now);
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
  // By the present spec, read from the pieces from the first of the present to
  // the last that there is.
  void Put(uint64_t base_step, uint64_t step, HistoryBlock block,
           SessionChange& change);
  // 0: the present has none.
  uint64_t LastBlock() const;

  const SessionCodec& codec_;
  const size_t most_bytes_;
  StoredPieces& pieces_;
  std::shared_ptr<const ShortBlock>& last_block_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_HISTORY_WRITER_H_
