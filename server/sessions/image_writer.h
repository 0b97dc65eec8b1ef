// SPDX-License-Identifier: Apache-2.0
//
// The image's part of a journal's changes: when all weights and optimiser state
// are put again, and how much of them with one commit.
//
// A small image is put whole, when the rows behind it are longer than it. A
// large one comes in parts, one with each commit and each as it is at that
// commit's step; the rows after a part's step bring it forward when it is read.
// What it replaces is past, or goes, with the last of them.
#ifndef BACKPROP_SERVER_SESSIONS_IMAGE_WRITER_H_
#define BACKPROP_SERVER_SESSIONS_IMAGE_WRITER_H_

#include <cstddef>
#include <cstdint>

#include "engine/contract/layout.h"
#include "server/sessions/history_writer.h"
#include "server/sessions/journal_moment.h"
#include "server/sessions/session_spec.h"
#include "server/sessions/stored_pieces.h"
#include "server/store/store.h"

namespace backprop {

// All weights and optimiser state.
size_t ImageBytes(const Layout& layout);

// How far a session's images in the store are. As a plain value.
struct StoredImage {
  bool is_there = false;  // all weights, at some step or steps
  // While a large image is replaced: its weights below next_weight have been
  // handed over, as they were at part_step or later.
  size_t next_weight = 0;
  uint64_t part_step = 0;
  uint64_t part_piece = 0;  // the first of those parts
};

class ImageWriter {
 public:
  // All must outlive the object. stored, pieces, history: what it changes.
  ImageWriter(const Layout& layout, StoredImage& stored, StoredPieces& pieces,
              HistoryWriter& history)
      : layout_(layout), stored_(stored), pieces_(pieces), history_(history) {}

  // All of it.
  void Put(const JournalMoment& moment, SessionChange& change);
  // After rows that lead on from the image: what of it is due with them.
  void PutDue(const JournalMoment& moment, SessionChange& change);

  // What PutDue will put, once the store has rows of so many bytes behind the
  // image.
  size_t BytesDue(size_t steps_bytes, const HistoryLimits& spec_limits) const;

 private:
  bool IsLarge() const;
  size_t PartWeights() const;  // of one piece
  // Of rows that may pile up behind an image.
  size_t MostStepsBytes(const HistoryLimits& limits) const;
  void PutPart(const JournalMoment& moment, SessionChange& change);
  // Weights from first on, with their state.
  void PutWeights(const JournalMoment& moment, size_t first, size_t count,
                  SessionChange& change);

  const Layout& layout_;
  StoredImage& stored_;
  StoredPieces& pieces_;
  HistoryWriter& history_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_IMAGE_WRITER_H_
