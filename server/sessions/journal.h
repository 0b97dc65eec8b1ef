// SPDX-License-Identifier: Apache-2.0
//
// What the store has of a session, and what it lacks: decides what each commit
// adds. That is the cheaper of two things: the rows of the steps since the last
// commit, or the image, all weights and optimiser state. Rows are gathered
// while they are the shorter (gathered_steps.h); beyond that they are let go,
// and the commit takes the image. Rows that have piled up behind an image until
// they are longer than it are replaced by a new one (image_writer.h). A first
// image, and one for which there are no rows, is copied whole in one turn.
//
// At any commit, then, the session is in the store as images and steps whose
// numbers follow each other, and a spec. A checkpoint names these, and holds
// them (stored_pieces.h).
//
//   in a turn                                      the committer's thread
//     journal.BeginSteps(…)  before each part
//     journal.AddSteps(…)    after it
//     change = journal.HandOver(moment) ─────────▶ store.Commit(changes)
//
// Where history is kept (history_writer.h) each commit adds the rows, an image
// takes the place of none, and what the session no longer needs stays until a
// limit wants it gone.
//
// A change that was handed over counts as done: whoever has it commits it, as
// often as it takes, and before any later one of the session.
#ifndef BACKPROP_SERVER_SESSIONS_JOURNAL_H_
#define BACKPROP_SERVER_SESSIONS_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "engine/contract/input.h"
#include "engine/contract/layout.h"
#include "server/sessions/block_writer.h"
#include "server/sessions/checkpoint.h"
#include "server/sessions/done_requests.h"
#include "server/sessions/gathered_steps.h"
#include "server/sessions/history.h"
#include "server/sessions/history_writer.h"
#include "server/sessions/image_writer.h"
#include "server/sessions/journal_moment.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/session_spec.h"
#include "server/sessions/short_block.h"
#include "server/sessions/stored_pieces.h"
#include "server/store/session_steps.h"
#include "server/store/store.h"

namespace backprop {

// All methods within the session's turn, or before others know the session.
class Journal {
 public:
  using Moment = JournalMoment;

  static constexpr size_t kNoBound = std::numeric_limits<size_t>::max();

  // Of a session that the store does not know yet. codec must outlive the
  // object. most_history_bytes: in the store, whatever the spec says.
  Journal(const SessionCodec& codec, const Layout& layout,
          ElementType element_type, size_t most_history_bytes = kNoBound);
  // Of one that was loaded from what the store has: in its next epoch, which
  // begins with the first change. Until then the session keeps its spec.
  // first_live_piece: as its head says; checkpoints, history: all that it has.
  Journal(const SessionCodec& codec, const Layout& layout,
          ElementType element_type, const StoredSession& stored,
          uint64_t first_live_piece = 0, CheckpointSet checkpoints = {},
          History history = {}, size_t most_history_bytes = kNoBound);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  uint64_t epoch() const { return epoch_; }

  // INVALID_REQUEST on spec.history.max_bytes where that is more than may be.
  absl::Status CheckLimits(const HistoryLimits& limits) const;

  // Before steps that AddSteps will be told of, or none: the spec that they are
  // done by, and requests that were done. False: history wants BeginBlock too.
  // Where memory for either is missing, the steps may not be done.
  bool BeginSteps(const std::shared_ptr<const SessionSpec>& spec,
                  const DoneRequests& requests);
  void BeginBlock(const Moment& moment);

  // Steps that the session has done, after the last ones, and their errors.
  // Where one is missing, or memory for it, the next commit takes the image.
  void AddSteps(const StepsPart& part, std::span<const float> errors);

  // All that has changed since the last call, and what `edit` says. Where
  // memory for it is missing, the next call says the same again.
  SessionChange HandOver(const Moment& moment, const CheckpointEdit& edit = {});

  // The session is at that moment of its past again: its next epoch begins
  // there. keeps_history: of what came before, which led to it. Where memory is
  // missing, it is not.
  SessionChange Rewind(const Moment& moment, bool keeps_history);

  // As they are once all that was handed over is committed. Never null.
  const std::shared_ptr<const CheckpointSet>& checkpoints() const {
    return stored_.pieces.checkpoints();
  }

  // That history leads to once all that was handed over is committed.
  std::optional<uint64_t> history_first_step() const {
    return stored_.pieces.history().first_step();
  }

  // Of the pieces that the store has once all that was handed over is
  // committed.
  size_t StoredBytes() const { return stored_.pieces.Bytes(); }

  // More of what nobody needs is still in the store: the next changes remove
  // it, though the session does nothing.
  bool OwesRemovals() const { return stored_.pieces.OwesRemovals(); }

  // That the session's past takes in memory.
  size_t PastBytes() const;

  // About as many as the next HandOver will hold at most: of the rows that have
  // been gathered and the image, or its part, that is due with them.
  size_t BytesToHandOver() const;
  // Of all weights and optimiser state.
  size_t ImageBytes() const { return backprop::ImageBytes(layout_); }

  // The session is deleted: the last change of all.
  SessionChange Erase(const std::string& id) const;

 private:
  // What the store has once all that was handed over is committed.
  struct Stored {
    uint64_t epoch = 0;  // 0: it doesn't know the session
    uint64_t step = 0;
    std::shared_ptr<const SessionSpec> spec = nullptr;  // any, after loading
    StoredPieces pieces = {};
    size_t steps_bytes = 0;  // of the present steps among them
    StoredImage image = {};
    std::shared_ptr<const ShortBlock> last_block = nullptr;
  };

  bool StepsLeadTo(uint64_t step) const;
  bool HistoryGoesOn(const Moment& moment) const;

  // What make() makes; nothing of it where memory for that is missing.
  template <class Make>
  SessionChange WholeOrNothing(Make make);

  SessionChange NextChange(const Moment& moment);
  // What every change ends with.
  void Conclude(const Moment& moment, SessionChange& change);
  // If the session has another than the store.
  void PutNewSpec(const Moment& moment, SessionChange& change);
  void PutSpec(const std::shared_ptr<const SessionSpec>& spec, uint64_t step,
               SessionChange& change);
  // What brings weights and state to the moment's step.
  void PutNumbers(const Moment& moment, SessionChange& change);
  void PutSteps(const Moment& moment, SessionChange& change);
  // REQUIRES: the store has a spec that is known here, as it has from the first
  // change on.
  void PutBlock(BlockWriter::Ended ended, const Moment& moment,
                SessionChange& change);
  void PutRows(StepsRows rows, SessionChange& change);

  // Constant after construction.
  const SessionCodec& codec_;
  const Layout layout_;

  uint64_t epoch_;
  Stored stored_;
  GatheredSteps gathered_;  // those after stored_.step

  HistoryWriter history_;
  ImageWriter image_{layout_, stored_.image, stored_.pieces, history_};
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_JOURNAL_H_
