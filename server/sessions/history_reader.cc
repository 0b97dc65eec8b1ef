// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/history_reader.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/training/schedule.h"
#include "server/sessions/rejection.h"
#include "server/sessions/stored_record.h"
#include "server/store/restore.h"

namespace backprop {
namespace {

// Of a step whose session is committed in their midst.
constexpr int kMostReads = 10;

absl::StatusOr<HistoryBlock> ReadBlock(const std::string& id,
                                       const PieceName& name,
                                       ReadableStore& store,
                                       const SessionCodec& codec) {
  const auto bytes = store.ReadPiece(id, name.number);
  if (!bytes.ok()) return bytes.status();
  return codec.DecodeBlock(name, *bytes);
}

// Where a schedule stands after steps with these errors.
SchedulePosition After(std::span<const float> errors, const Schedule& schedule,
                       const SchedulePosition& position) {
  LearningRate rate(schedule, position);
  while (!errors.empty()) {
    const size_t count = static_cast<size_t>(
        std::min<uint64_t>(errors.size(), rate.StepsUntilDecision()));
    rate.Record(errors.first(count));
    errors = errors.subspan(count);
  }
  return rate.position();
}

// From where the block begins to that step of it.
void GoOnTo(uint64_t step, const PieceName& name, const HistoryBlock& block,
            SessionRecord& record) {
  const uint64_t steps = step - name.base_step;
  Standing& standing = record.standing;
  standing.progress.step = step;
  standing.progress.next_offset += steps * record.spec.batch_size;
  standing.state_age += steps;
  standing.schedule = After(std::span(block.errors).first(steps),
                            record.spec.schedule, standing.schedule);
  for (const DoneRequest& request : block.requests) {
    if (request.result <= step) standing.requests.Add(request);
  }
}

// What the session was at a step, and where its weights are.
struct Found {
  SessionRecord record;
  uint64_t first_piece = 0;
  uint64_t last_piece = 0;
};

absl::StatusOr<Found> Find(const StoredSession& stored, const PastStep& at,
                           const Layout& layout, ReadableStore& store,
                           const SessionCodec& codec) {
  const std::string& id = stored.head.id;
  const PieceName& name = at.block;
  const auto block = ReadBlock(id, name, store, codec);
  if (!block.ok()) return block.status();
  const auto spec = store.ReadPiece(id, block->spec_piece);
  if (!spec.ok()) return spec.status();
  auto record =
      codec.Decode({id, stored.head.epoch, name.base_step, block->head}, *spec);
  if (!record.ok()) return record.status();
  if (!SameLayout(record->layout, layout)) {
    return absl::DataLossError("its layout is not the session's");
  }
  GoOnTo(at.step, name, *block, *record);
  return Found{*std::move(record), name.first_number, block->last_piece};
}

absl::Status RestoreNumbersAt(const StoredSession& stored, const Found& found,
                              ReadableStore& store, Session& session) {
  const SessionRecord& record = found.record;
  const StoredSession then{
      {stored.head.id, stored.head.epoch, record.standing.progress.step, {}},
      {},
      NumberPieces(stored.pieces, found.first_piece, found.last_piece)};
  absl::Status status = RestoreNumbers(
      then, record.layout, record.spec.input,
      [&](uint64_t piece) { return store.ReadPiece(stored.head.id, piece); },
      session.weights(), session.state());
  if (status.ok()) session.GoOnFrom(record.standing);
  return status;
}

}  // namespace

absl::StatusOr<History> ReadHistory(const StoredSession& stored,
                                    const SessionRecord& record,
                                    ReadableStore& store,
                                    const SessionCodec& codec) {
  absl::Status failed;
  const auto now = std::chrono::system_clock::now();
  History history =
      HistoryOf(stored, record.pieces, [&](const PieceName& name) {
        if (record.spec.history.max_age.count() == 0) return now;
        const auto block = ReadBlock(stored.head.id, name, store, codec);
        // One that is damaged is told of by whoever goes back to it.
        if (absl::IsUnavailable(block.status())) failed = block.status();
        return block.ok() ? block->time : now;
      });
  if (!failed.ok()) return failed;
  return history;
}

absl::StatusOr<SessionRecord> ReadRecordAt(const StoredSession& stored,
                                           const PastStep& at,
                                           const Layout& layout,
                                           ReadableStore& store,
                                           const SessionCodec& codec) {
  auto found = Find(stored, at, layout, store, codec);
  if (!found.ok()) return found.status();
  return std::move(found->record);
}

absl::StatusOr<std::shared_ptr<Session>> RestoreStep(
    const StoredSession& stored, const PastStep& at, const Layout& layout,
    ReadableStore& store, const SessionCodec& codec, SessionTable& sessions) {
  const auto found = Find(stored, at, layout, store, codec);
  if (!found.ok()) return found.status();
  return sessions.MakeApart(found->record, [&](Session& session) {
    return RestoreNumbersAt(stored, *found, store, session);
  });
}

absl::StatusOr<std::shared_ptr<Session>> ReadStep(
    const std::string& id, uint64_t step, const Layout& layout, Store& store,
    const SessionCodec& codec, SessionTable& sessions) {
  const std::string what = absl::StrCat("step ", step, " of session ", id);
  auto stored = store.Load(id);
  for (int reads = 0; stored.ok(); ++reads) {
    const auto head = codec.DecodeHead(stored->head);
    if (!head.ok()) return CantBeRead(what, head.status());
    const auto block = FindBlock(
        LiveBlocks(stored->pieces, head->pieces, stored->head.step), step);
    if (!block.has_value()) {
      return Rejection(kStepNotKept,
                       absl::StrCat("the history of session ", id,
                                    " has no step ", step, " any more"));
    }
    auto session =
        RestoreStep(*stored, {*block, step}, layout, store, codec, sessions);
    if (session.ok()) return session;
    // A commit may have put pieces together anew, or removed some, meanwhile.
    auto again = store.Load(id);
    if (reads == kMostReads || !again.ok() ||
        std::ranges::equal(again->pieces, stored->pieces, {}, NumberOf,
                           NumberOf)) {
      return CantBeRead(what, session.status());
    }
    stored = std::move(again);
  }
  return CantBeRead(what, stored.status());
}

}  // namespace backprop
