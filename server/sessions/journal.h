// SPDX-License-Identifier: Apache-2.0
//
// What the store has of a session, and what it lacks: decides what each commit
// adds. That is the cheaper of two things: the rows of the steps since the last
// commit, or the image, all weights and optimiser state. Rows are gathered
// while they are the shorter; beyond that they are let go, and the commit takes
// the image. Rows that have piled up behind an image until they are longer than
// it are replaced by a new one. Where that one is large it comes in parts, one
// with each commit and each as it is at that commit's step; the rows after a
// part's step bring it forward when it is read. (A first image, and one for
// which there are no rows, is copied whole in one turn.)
//
// At any commit, then, the session is in the store as images and steps whose
// numbers follow each other, and a spec. A checkpoint names these; what it
// holds is not removed when the session no longer needs it, but when the last
// checkpoint goes that does.
//
//   in a turn                                      the committer's thread
//     journal.BeginSteps(…)  before each part
//     journal.AddSteps(…)    after it
//     change = journal.HandOver(moment) ─────────▶ store.Commit(changes)
//
// Where history is kept (history.h) each commit adds the rows, an image takes
// the place of none, and what the session no longer needs stays until a limit
// wants it gone.
//
// A change that was handed over counts as done: whoever has it commits it, as
// often as it takes, and before any later one of the session.
#ifndef BACKPROP_SERVER_SESSIONS_JOURNAL_H_
#define BACKPROP_SERVER_SESSIONS_JOURNAL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/contract/input.h"
#include "engine/contract/layout.h"
#include "server/sessions/block_writer.h"
#include "server/sessions/checkpoint.h"
#include "server/sessions/done_requests.h"
#include "server/sessions/history.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/session_spec.h"
#include "server/sessions/standing.h"
#include "server/store/session_steps.h"
#include "server/store/store.h"

namespace backprop {

// All methods within the session's turn, or before others know the session.
class Journal {
 public:
  // Of a session that the store does not know yet. codec must outlive the
  // object.
  Journal(const SessionCodec& codec, const Layout& layout,
          ElementType element_type);
  // Of one that was loaded from what the store has: in its next epoch, which
  // begins with the first change. Until then the session keeps its spec.
  // first_live_piece: as its head says; checkpoints, history: all that it has.
  Journal(const SessionCodec& codec, const Layout& layout,
          ElementType element_type, const StoredSession& stored,
          uint64_t first_live_piece = 0, CheckpointSet checkpoints = {},
          History history = {});

  uint64_t epoch() const { return epoch_; }

  // A session at one moment.
  struct Moment {
    const SessionBirth& birth;
    const Standing& standing;
    std::shared_ptr<const SessionSpec> spec;
    std::span<const float> weights;
    std::span<const float> state;
    std::chrono::system_clock::time_point now =
        std::chrono::system_clock::now();
  };

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
    return stored_.checkpoints;
  }

  // That history leads to once all that was handed over is committed.
  std::optional<uint64_t> history_first_step() const {
    return stored_.history.first_step();
  }

  // Of the pieces that the store has once all that was handed over is
  // committed.
  size_t StoredBytes() const;

  // About as many as the next HandOver will hold at most: of the rows that have
  // been gathered and the image, or its part, that is due with them.
  size_t BytesToHandOver() const;
  size_t ImageBytes() const;  // all weights and optimiser state

  // The session is deleted: the last change of all.
  SessionChange Erase(const std::string& id) const;

 private:
  bool StepsCover(uint64_t step) const;
  size_t PartWeights() const;  // of one image piece
  size_t StoredStepsBytes() const;
  // Of rows that may pile up behind an image.
  size_t MostStepsBytes(const HistoryLimits& limits) const;
  // Of the image, or its part, that comes with rows of so many bytes.
  size_t ImageBytesWith(size_t rows) const;
  void StopGathering();
  // Whether rows are worth gathering until the next commit.
  bool ShouldGather(const HistoryLimits& limits) const;
  StepsRows TakeRows();

  // What make() makes; nothing of it where memory for that is missing.
  template <class Make>
  SessionChange WholeOrNothing(Make make);

  SessionChange NextChange(const Moment& moment);
  // What every change ends with.
  void Conclude(const Moment& moment, SessionChange& change);
  // If the session has another than the store.
  void PutNewSpec(const Moment& moment, SessionChange& change);
  // In the place of the one that there is, if any.
  void PutSpec(const std::shared_ptr<const SessionSpec>& spec, uint64_t step,
               SessionChange& change);
  // What brings weights and state to the moment's step.
  void PutNumbers(const Moment& moment, SessionChange& change);
  void PutSteps(const Moment& moment, SessionChange& change);
  void PutRows(StepsRows rows, SessionChange& change);
  void PutImage(const Moment& moment, SessionChange& change);
  // The next part of an image that is being replaced.
  void PutImagePart(const Moment& moment, SessionChange& change);
  // Weights from first on, with their state.
  void PutWeights(const Moment& moment, size_t first, size_t count,
                  SessionChange& change);
  void Put(PieceName name, std::string bytes, SessionChange& change);
  // Of the session's life. What checkpoints hold stays in the store.
  // What its past needs becomes that.
  void Remove(std::span<const uint64_t> numbers, SessionChange& change);
  // What is of no life of the session any more.
  void Drop(std::span<const StoredPiece> pieces, SessionChange& change);
  void RemoveFromStore(uint64_t number, SessionChange& change);

  bool HistoryGoesOn(const Moment& moment) const;
  // History's part of a change, after all that brings the session to the
  // moment: it begins, grows, loses what is beyond its limits, or ends.
  void KeepHistory(const Moment& moment, SessionChange& change);
  // Of these steps, or of the moment alone.
  void PutBlock(uint64_t base_step, uint64_t step, HistoryBlock block,
                SessionChange& change);
  void PutMoment(const Moment& moment, SessionChange& change);
  // The present images are replaced: what led on from them is past.
  void CloseGroup(uint64_t first_piece, uint64_t step,
                  std::chrono::system_clock::time_point now);
  void ReplacePast(PastPieces past);
  uint64_t SpecPiece() const;
  void ForgetHistory(SessionChange& change);
  // What there is up to the moment's step becomes past, the rest goes.
  void CutHistory(const Moment& moment, SessionChange& change);
  PastPieces::Present PresentBlocks() const;

  void EditCheckpoints(const CheckpointEdit& edit, SessionChange& change);
  // Of the moment that the change leads to.
  Checkpoint Made(Checkpoint checkpoint, const SessionChange& change) const;
  // Removes what was there for checkpoints that are gone.
  void RemoveUnheld(SessionChange& change);

  // Constant after construction.
  const SessionCodec& codec_;
  const Layout layout_;

  uint64_t epoch_;

  // A piece that is there for checkpoints alone.
  struct Kept {
    PieceKind kind;
    uint64_t number;
  };
  using KeptPieces = std::vector<Kept>;

  // What the store has once all that was handed over is committed.
  struct Stored {
    uint64_t epoch = 0;  // 0: it doesn't know the session
    uint64_t step = 0;
    // Of the session's present life: one spec, and of images and steps all from
    // first_live on.
    std::vector<StoredPiece> pieces = {};
    uint64_t first_live = 0;
    size_t steps_bytes = 0;  // of the steps among them
    std::shared_ptr<const SessionSpec> spec = nullptr;  // any, after loading
    bool has_image = false;
    // While a large image is replaced: its weights below next_weight have been
    // handed over, as they were at part_step or later.
    size_t next_weight = 0;
    uint64_t part_step = 0;
    uint64_t part_piece = 0;  // the first of those parts

    // Replaced, never changed: a copy of all this is made with each change.
    std::shared_ptr<const CheckpointSet> checkpoints =
        std::make_shared<const CheckpointSet>();
    std::shared_ptr<const KeptPieces> kept =
        std::make_shared<const KeptPieces>();
    History history = {};
    bool spec_is_needed = true;  // a block may be of it
  };
  Stored stored_;
  uint64_t next_piece_ = 1;

  StepsWriter rows_;             // of the steps after stored_.step
  bool gathers_ = true;          // rows_ holds all of those steps
  uint64_t steps_ = 0;           // how many these are
  size_t bytes_a_step_ = 0;      // as the last rows were; 0: not known
  HistoryLimits gathered_for_;   // of the spec at the last BeginSteps
  BlockWriter blocks_;           // of the same steps, where history is kept
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_JOURNAL_H_
