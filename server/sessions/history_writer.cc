// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/history_writer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/store/failpoint.h"

namespace backprop {
namespace {

std::shared_ptr<const Past> Shared(Past past) {
  return std::make_shared<const Past>(std::move(past));
}

}  // namespace

HistoryLimits HistoryWriter::Limits(HistoryLimits limits) const {
  if (!limits.any()) return limits;
  const uint64_t most = std::max<uint64_t>(most_bytes_, 1);
  limits.max_bytes =
      limits.max_bytes == 0 ? most : std::min(limits.max_bytes, most);
  return limits;
}

void HistoryWriter::PutBlock(BlockWriter::Ended ended,
                             std::chrono::system_clock::time_point now,
                             SessionChange& change) {
  if (last_block_ != nullptr &&
      last_block_->GoesOnWith(ended, pieces_.next())) {
    pieces_.TakeBack(last_block_->steps_piece, change);
    pieces_.TakeBack(last_block_->steps_piece + 1, change);
    ended = last_block_->With(std::move(ended));
  }
  ended.block.time = now;
  last_block_ = ShortBlockOf(ended, pieces_.next());
  pieces_.Put({.kind = PieceKind::kSteps,
               .base_step = ended.rows.base_step,
               .step = ended.rows.step},
              std::move(ended.rows.bytes), change);
  Put(ended.rows.base_step, ended.rows.step, std::move(ended.block), change);
}

void HistoryWriter::Put(uint64_t base_step, uint64_t step, HistoryBlock block,
                        SessionChange& change) {
  block.spec_piece = pieces_.spec();
  block.last_piece = pieces_.next() - 1;
  const PieceName name{.kind = PieceKind::kBlock,
                       .base_step = base_step,
                       .step = step,
                       .first_number = pieces_.first_live()};
  pieces_.Put(name, codec_.EncodeBlock(block), change);
  History history = pieces_.history();
  history.begun = true;
  if (!history.present.has_value()) {
    history.present = {.base_step = base_step,
                       .first_step = FirstStepOf(name),
                       .spec = block.spec_piece,
                       .spec_bytes = pieces_.SpecBytes()};
  }
  pieces_.SetHistory(std::move(history));
  MayDieAt(Failpoint::kBlockPut);
}

uint64_t HistoryWriter::LastBlock() const {
  uint64_t last = 0;
  for (const auto& [name, bytes] : pieces_.present()) {
    const bool is_one = name.kind == PieceKind::kBlock &&
                        name.first_number == pieces_.first_live();
    if (is_one) last = std::max(last, name.number);
  }
  return last;
}

void HistoryWriter::BeginPresent(uint64_t first_live, uint64_t step,
                                 std::chrono::system_clock::time_point now) {
  History history = pieces_.history();
  const uint64_t first_piece = pieces_.first_live();
  Past past = *history.past;
  const uint64_t last_block =
      history.present.has_value() ? LastBlock() : past.last_block();
  const uint64_t end = std::min(first_live, last_block + 1);
  const size_t bytes = pieces_.BeginPresent(first_live, end);
  last_block_ = nullptr;
  if (history.present.has_value()) {
    past.Close({.start = *history.present,
                .first_piece = first_piece,
                .last_piece = end - 1,
                .last_block = last_block,
                .last_step = step,
                .last_time = now,
                .bytes = bytes});
  } else if (last_block >= first_piece && last_block != 0) {
    past.GrowTo(end - 1, bytes);
  } else {
    return;
  }
  history.past = Shared(std::move(past));
  history.present.reset();
  pieces_.SetHistory(std::move(history));
}

void HistoryWriter::Keep(const JournalMoment& moment, SessionChange& change) {
  const HistoryLimits limits = Limits(moment.spec->history);
  if (!limits.any()) return;
  if (pieces_.history().past->IsBeyond(limits, moment.step(), moment.now)) {
    History history = pieces_.history();
    Past past = *history.past;
    const auto gone = past.Trim(limits, moment.step(), moment.now);
    history.past = Shared(std::move(past));
    pieces_.SetHistory(std::move(history));
    pieces_.Forget(gone, change);
  }
  if (!pieces_.history().first_step().has_value()) PutMoment(moment, change);
}

void HistoryWriter::PutMoment(const JournalMoment& moment,
                              SessionChange& change) {
  Put(moment.step(), moment.step(),
      {.head =
           codec_.EncodeHead(moment.birth, moment.standing, *moment.spec, {}),
       .time = moment.now},
      change);
}

void HistoryWriter::Forget(SessionChange& change) {
  last_block_ = nullptr;
  if (!pieces_.history().begun) return;
  const std::shared_ptr<const Past> past = pieces_.history().past;
  pieces_.SetHistory({});
  pieces_.Forget(past->groups(), change);
  pieces_.ForgetBlocks(change);
}

void HistoryWriter::CutAfter(const JournalMoment& moment, uint64_t had_come_to,
                             SessionChange& change) {
  if (!pieces_.history().begun) return;
  BeginPresent(pieces_.next(), had_come_to, moment.now);
  History history = pieces_.history();
  Past past = *history.past;
  const auto gone = past.CutAfter(moment.step());
  history.begun = !past.groups().empty();
  history.past = Shared(std::move(past));
  pieces_.SetHistory(std::move(history));
  pieces_.Forget(gone, change);
  pieces_.CutSpec();
  MayDieAt(Failpoint::kHistoryCut);
}

}  // namespace backprop
