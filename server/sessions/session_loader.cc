// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session_loader.h"

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/mutex.h"
#include "server/sessions/checkpoint_reader.h"
#include "server/store/restore.h"

namespace backprop {
namespace {

constexpr size_t kPage = 1000;

// The one piece that holds its spec.
absl::StatusOr<std::string> ReadSpec(const StoredSession& stored,
                                     Store& store) {
  const uint64_t piece = SpecPieceOf(stored);
  if (piece == 0) {
    return absl::DataLossError(
        absl::StrCat("session ", stored.head.id, ": its spec is missing"));
  }
  return store.ReadPiece(stored.head.id, piece);
}

Durable NextEpoch(const SessionLoading& loading, const StoredSession& stored,
                  const SessionRecord& record, CheckpointSet checkpoints) {
  Durable durable{
      .journal = std::make_unique<Journal>(
          loading.codec, record.layout, record.spec.input.element_type, stored,
          record.first_live_piece, std::move(checkpoints)),
      .queue = &loading.committer,
      .epochs = stored.epochs};
  durable.epochs.push_back(
      {.epoch = durable.journal->epoch(), .first_step = stored.head.step});
  return durable;
}

// Without what is there for checkpoints alone.
StoredSession LiveOf(const StoredSession& stored, const SessionRecord& record) {
  return {stored.head, stored.epochs,
          NumberPieces(stored.pieces, record.first_live_piece,
                       std::numeric_limits<uint64_t>::max())};
}

absl::StatusOr<std::shared_ptr<Session>> LoadSession(
    const SessionLoading& loading, const StoredHead& listed) {
  if (!listed.damage.ok()) return listed.damage;
  const std::string& id = listed.head.id;
  const auto stored = loading.store.Load(id);
  if (!stored.ok()) return stored.status();
  const auto spec = ReadSpec(*stored, loading.store);
  if (!spec.ok()) return spec.status();
  const auto record = loading.codec.Decode(stored->head, *spec);
  if (!record.ok()) return record.status();
  auto checkpoints = ReadCheckpoints(*stored, loading.store, loading.codec);
  if (!checkpoints.ok()) return checkpoints.status();
  const StoredSession present = LiveOf(*stored, *record);
  return loading.sessions.BringBack(
      *record, NextEpoch(loading, *stored, *record, *std::move(checkpoints)),
      [&](Session& session) {
        absl::Status status = RestoreNumbers(
            present, record->layout, record->spec.input,
            [&](uint64_t piece) { return loading.store.ReadPiece(id, piece); },
            session.weights(), session.state());
        if (status.ok()) session.GoOnFrom(record->standing);
        return status;
      });
}

// Whether it is one session that can't be brought back: it is damaged, or
// beyond the operator's limits. Else it is the store.
bool IsOfSession(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsResourceExhausted(status);
}

// Until the sessions are durable in their present epochs.
absl::Status CommitEpochs(
    Committer& committer,
    const std::vector<std::shared_ptr<Session>>& sessions) {
  Mutex mutex;
  CondVar changed;
  size_t open = sessions.size();
  absl::Status first;
  for (const auto& session : sessions) session->BeginCommitting();
  for (const auto& session : sessions) {
    committer.Await(session, [&](const absl::Status& status) {
      MutexLock lock(mutex);
      first.Update(status);
      --open;
      changed.NotifyAll();
    });
  }
  MutexLock lock(mutex);
  while (open > 0) changed.Wait(mutex);
  return first;
}

}  // namespace

absl::StatusOr<size_t> LoadSessions(const SessionLoading& loading) {
  std::vector<std::shared_ptr<Session>> loaded;
  std::string after;
  while (true) {
    const auto page = loading.store.List(after, kPage);
    if (!page.ok()) return page.status();
    for (const StoredHead& each : *page) {
      auto session = LoadSession(loading, each);
      if (session.ok()) {
        loading.loaded(**session);
        loaded.push_back(*std::move(session));
      } else if (IsOfSession(session.status())) {
        loading.damaged(each.head.id, session.status());
      } else {
        return session.status();
      }
    }
    if (page->size() < kPage) break;
    after = page->back().head.id;
  }
  absl::Status status = CommitEpochs(loading.committer, loaded);
  if (!status.ok()) return status;
  return loaded.size();
}

}  // namespace backprop
