// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/journal.h"

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/checkpoint_writer.h"
#include "server/sessions/rejection.h"
#include "server/store/failpoint.h"

namespace backprop {

Journal::Journal(const SessionCodec& codec, const Layout& layout,
                 ElementType element_type, size_t most_history_bytes)
    : codec_(codec),
      layout_(layout),
      epoch_(1),
      gathered_(layout, element_type),
      history_(codec_, most_history_bytes, stored_.pieces, stored_.last_block) {
}

Journal::Journal(const SessionCodec& codec, const Layout& layout,
                 ElementType element_type, const StoredSession& stored,
                 uint64_t first_live_piece, CheckpointSet checkpoints,
                 History history, size_t most_history_bytes)
    : codec_(codec),
      layout_(layout),
      epoch_(stored.head.epoch + 1),
      stored_{
          .epoch = stored.head.epoch,
          .step = stored.head.step,
          .pieces = StoredPieces(stored, first_live_piece,
                                 std::move(checkpoints), std::move(history)),
          .image = {.is_there = true}},
      gathered_(layout, element_type, stored.head.step),
      history_(codec_, most_history_bytes, stored_.pieces, stored_.last_block) {
  stored_.steps_bytes = stored_.pieces.StepsBytes();
}

absl::Status Journal::CheckLimits(const HistoryLimits& limits) const {
  const uint64_t most = history_.most_bytes();
  if (limits.max_bytes <= most) return absl::OkStatus();
  return InvalidField(
      "spec.history.max_bytes",
      absl::StrCat("is ", limits.max_bytes, "; this server keeps at most ",
                   most,
                   " bytes of a session's past (--max-history-bytes): ask for "
                   "no more, or leave it out, which keeps as much"));
}

bool Journal::BeginSteps(const std::shared_ptr<const SessionSpec>& spec,
                         const DoneRequests& requests) {
  return gathered_.Begin(spec, requests);
}

void Journal::BeginBlock(const Moment& moment) {
  gathered_.BeginBlock(
      moment.spec,
      codec_.EncodeHead(moment.birth, moment.standing, *moment.spec, {}),
      moment.standing.requests);
}

void Journal::AddSteps(const StepsPart& part, std::span<const float> errors) {
  gathered_.Add(part, errors);
}

size_t Journal::BytesToHandOver() const {
  if (!stored_.image.is_there) return ImageBytes();
  if (gathered_.count() == 0) return 0;
  if (!gathered_.gathers()) return ImageBytes();
  size_t rows = gathered_.bytes();
  if (stored_.last_block != nullptr) rows += stored_.last_block->bytes();
  return rows + image_.BytesDue(stored_.steps_bytes + rows, gathered_.limits());
}

size_t Journal::PastBytes() const {
  const size_t groups =
      stored_.pieces.history().past->groups().capacity() * sizeof(PastGroup);
  const ShortBlock* const last = stored_.last_block.get();
  return groups + (last == nullptr ? 0 : last->bytes());
}

bool Journal::StepsLeadTo(uint64_t step) const {
  return stored_.image.is_there && gathered_.Lead(stored_.step, step);
}

bool Journal::HistoryGoesOn(const Moment& moment) const {
  return moment.spec->history.any() &&
         (moment.step() == stored_.step ||
          (StepsLeadTo(moment.step()) && gathered_.AllInBlocks()));
}

template <class Make>
SessionChange Journal::WholeOrNothing(Make make) {
  Stored before = stored_;
  const uint64_t epoch = epoch_;
  try {
    return make();
  } catch (const std::bad_alloc&) {
    stored_ = std::move(before);
    epoch_ = epoch;
    gathered_.LetGo();
    throw;
  }
}

SessionChange Journal::HandOver(const Moment& moment,
                                const CheckpointEdit& edit) {
  return WholeOrNothing([&] {
    SessionChange change = NextChange(moment);
    EditCheckpoints(codec_, edit, stored_.pieces, change);
    stored_.pieces.RemoveSome(change);
    return change;
  });
}

SessionChange Journal::Rewind(const Moment& moment, bool keeps_history) {
  return WholeOrNothing([&] {
    SessionChange change;
    change.expected_epoch = stored_.epoch;
    if (keeps_history && moment.spec->history.any()) {
      history_.CutAfter(moment, stored_.step, change);
    } else {
      history_.Forget(change);
    }
    image_.Put(moment, change);
    PutSpec(moment.spec, moment.step(), change);
    history_.Keep(moment, change);
    ++epoch_;
    Conclude(moment, change);
    stored_.pieces.RemoveSome(change);
    // Those that were gathered are of no life any more, and say nothing of rows
    // to come.
    gathered_.StartAfter(moment.step(), moment.spec->history);
    return change;
  });
}

SessionChange Journal::NextChange(const Moment& moment) {
  SessionChange change;
  change.expected_epoch = stored_.epoch;
  if (!HistoryGoesOn(moment)) history_.Forget(change);
  // Where it goes on, the steps' own specs come before.
  if (!stored_.pieces.history().begun) PutNewSpec(moment, change);
  if (!stored_.image.is_there || moment.step() != stored_.step) {
    PutNumbers(moment, change);
  }
  PutNewSpec(moment, change);
  history_.Keep(moment, change);
  Conclude(moment, change);
  return change;
}

void Journal::Conclude(const Moment& moment, SessionChange& change) {
  const auto& groups = stored_.pieces.history().past->groups();
  const uint64_t first_live = stored_.pieces.first_live();
  const HeadPieces pieces = {
      .first_live = first_live,
      .history_first_step = history_first_step(),
      .history_first_piece =
          groups.empty() ? first_live : groups.front().first_piece};
  change.head = {
      moment.birth.id, epoch_, moment.step(),
      codec_.EncodeHead(moment.birth, moment.standing, *moment.spec, pieces)};
  stored_.epoch = epoch_;
  stored_.step = moment.step();
  stored_.steps_bytes = stored_.pieces.StepsBytes();
  gathered_.StartAfter(moment.step(), moment.spec->history);
}

SessionChange Journal::Erase(const std::string& id) const {
  SessionChange change;
  change.head.id = id;
  change.head.epoch = epoch_;
  change.expected_epoch = stored_.epoch;
  change.erase = true;
  change.remove_bytes = StoredBytes();
  return change;
}

void Journal::PutNewSpec(const Moment& moment, SessionChange& change) {
  const bool is_first = stored_.epoch != 0 && stored_.spec == nullptr;
  if (is_first) stored_.spec = moment.spec;
  if (stored_.spec != moment.spec) PutSpec(moment.spec, moment.step(), change);
}

void Journal::PutSpec(const std::shared_ptr<const SessionSpec>& spec,
                      uint64_t step, SessionChange& change) {
  stored_.pieces.PutSpec(step, codec_.EncodeSpec(*spec, layout_), change);
  stored_.spec = spec;
}

void Journal::PutNumbers(const Moment& moment, SessionChange& change) {
  if (!StepsLeadTo(moment.step())) return image_.Put(moment, change);
  PutSteps(moment, change);
  image_.PutDue(moment, change);
}

void Journal::PutSteps(const Moment& moment, SessionChange& change) {
  for (auto& block : gathered_.TakeBlocks(moment.standing.requests)) {
    if (stored_.pieces.history().begun) {
      PutBlock(std::move(block), moment, change);
    } else {
      PutRows(std::move(block.rows), change);
    }
  }
  if (gathered_.has_rows()) PutRows(gathered_.TakeRows(), change);
  MayDieAt(Failpoint::kStepsPut);
}

void Journal::PutBlock(BlockWriter::Ended ended, const Moment& moment,
                       SessionChange& change) {
  if (stored_.spec != ended.spec) {
    PutSpec(ended.spec, ended.rows.base_step, change);
  }
  history_.PutBlock(std::move(ended), moment.now, change);
}

void Journal::PutRows(StepsRows rows, SessionChange& change) {
  stored_.pieces.Put({.kind = PieceKind::kSteps,
                      .base_step = rows.base_step,
                      .step = rows.step},
                     std::move(rows.bytes), change);
}

}  // namespace backprop
