// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/history_writer.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "server/store/failpoint.h"

namespace backprop {
namespace {

bool IsBlock(const PieceName& name) { return name.kind == PieceKind::kBlock; }

std::shared_ptr<const PastPieces> Shared(PastPieces past) {
  return std::make_shared<const PastPieces>(std::move(past));
}

}  // namespace

void HistoryWriter::PutBlock(uint64_t base_step, uint64_t step,
                             HistoryBlock block, SessionChange& change) {
  block.spec_piece = pieces_.spec();
  block.last_piece = pieces_.next() - 1;
  const PieceName name{.kind = PieceKind::kBlock,
                       .base_step = base_step,
                       .step = step,
                       .first_number = pieces_.first_live()};
  pieces_.Put(name, codec_.EncodeBlock(block), change);
  History history = pieces_.history();
  history.begun = true;
  if (!history.present_first_step.has_value()) {
    history.present_first_step = FirstStepOf(name);
  }
  pieces_.SetHistory(std::move(history));
  MayDieAt(Failpoint::kBlockPut);
}

void HistoryWriter::EndGroup(uint64_t step,
                             std::chrono::system_clock::time_point now) {
  History history = pieces_.history();
  if (!history.present_first_step.has_value()) return;
  PastPieces past = *history.past;
  for (const StoredPiece& piece : pieces_.TakeOut(IsBlock)) past.Add(piece);
  past.Close({.first_piece = pieces_.first_live(),
              .first_step = *history.present_first_step,
              .last_step = step,
              .last_time = now});
  history.past = Shared(std::move(past));
  history.present_first_step.reset();
  pieces_.SetHistory(std::move(history));
}

void HistoryWriter::Keep(const JournalMoment& moment, SessionChange& change) {
  const HistoryLimits& limits = moment.spec->history;
  if (!limits.any()) return;
  if (pieces_.history().past->IsBeyond(limits, moment.step(), moment.now)) {
    History history = pieces_.history();
    PastPieces past = *history.past;
    const auto gone =
        past.Trim(limits, moment.step(), moment.now, PresentBlocks());
    history.past = Shared(std::move(past));
    pieces_.SetHistory(std::move(history));
    pieces_.Drop(gone, change);
  }
  if (!pieces_.history().first_step().has_value()) PutMoment(moment, change);
}

void HistoryWriter::PutMoment(const JournalMoment& moment,
                              SessionChange& change) {
  PutBlock(moment.step(), moment.step(),
           {.head = codec_.EncodeHead(moment.birth, moment.standing,
                                      *moment.spec, {}),
            .time = moment.now},
           change);
}

void HistoryWriter::Forget(SessionChange& change) {
  if (!pieces_.history().begun) return;
  std::vector<StoredPiece> gone = pieces_.history().past->pieces();
  const auto blocks = pieces_.TakeOut(IsBlock);
  gone.insert(gone.end(), blocks.begin(), blocks.end());
  pieces_.SetHistory({});
  pieces_.Drop(gone, change);
}

void HistoryWriter::CutAfter(const JournalMoment& moment, uint64_t had_come_to,
                             SessionChange& change) {
  if (!pieces_.history().begun) return;
  EndGroup(had_come_to, moment.now);
  PastPieces past = *pieces_.history().past;
  const auto present = pieces_.TakeOut(
      [](const PieceName& name) { return name.kind != PieceKind::kSpec; });
  for (const StoredPiece& piece : present) past.Add(piece);
  const auto gone = past.CutAfter(moment.step());
  History history = pieces_.history();
  history.begun = !past.groups().empty();
  history.past = Shared(std::move(past));
  pieces_.SetHistory(std::move(history));
  pieces_.Drop(gone, change);
  MayDieAt(Failpoint::kHistoryCut);
}

PastPieces::Present HistoryWriter::PresentBlocks() const {
  PastPieces::Present present{.first_piece = pieces_.first_live()};
  for (const auto& [name, bytes] : pieces_.present()) {
    if (!IsBlock(name)) continue;
    present.first_block = std::min(present.first_block, name.number);
  }
  return present;
}

}  // namespace backprop
