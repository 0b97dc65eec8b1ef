// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session_loader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/checkpoint_reader.h"
#include "server/sessions/epochs.h"
#include "server/sessions/history_reader.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/sessions/stored_record.h"
#include "server/store/failpoint.h"

namespace backprop {
namespace {

constexpr size_t kPage = 1000;

// Sessions that were just used become durable, and so may leave for another, a
// moment later: for so long that is waited for, and looked at so often.
constexpr std::chrono::milliseconds kLongestWait(500);
constexpr std::chrono::milliseconds kWait(10);

// Where checkpoints that have expired could not go, that is tried again then.
constexpr std::chrono::minutes kNextLook(10);

using Clock = std::chrono::steady_clock;

// What a caller is told. status: of the store, the codec or the table.
absl::Status Explained(const std::string& id, const absl::Status& status) {
  if (!ReasonOf(status).empty() && !absl::IsInvalidArgument(status)) {
    return status;
  }
  const std::string why(status.message());
  if (absl::IsDataLoss(status)) return Rejection(kSessionDamaged, why);
  if (absl::IsResourceExhausted(status) || absl::IsInvalidArgument(status)) {
    return Rejection(
        kSessionLimit,
        absl::StrCat("session ", id, " can't be brought back: ", why));
  }
  return Rejection(
      kStoreFailed,
      absl::StrCat("session ", id, " can't be read: ", why, "; try again"));
}

absl::Status NoSuchSession(const std::string& id) {
  return Rejection(kSessionNotFound,
                   absl::StrCat("there is no session '", id, "'"));
}

absl::StatusOr<HeadRecord> RecordOf(const StoredHead& listed,
                                    const SessionCodec& codec) {
  if (!listed.damage.ok()) return listed.damage;
  return codec.DecodeHead(listed.head);
}

Durable NextEpoch(const SessionLoading& loading, const StoredSession& stored,
                  const SessionRecord& record, CheckpointSet checkpoints,
                  History history) {
  Durable durable{
      .journal = std::make_unique<Journal>(
          loading.codec, record.layout, record.spec.input.element_type, stored,
          record.pieces.first_live, std::move(checkpoints), std::move(history),
          loading.max_history_bytes),
      .queue = &loading.committer,
      .epochs = WhatEpochsSay(stored.epochs)};
  AddEpoch({.epoch = durable.journal->epoch(), .first_step = stored.head.step},
           &durable.epochs);
  return durable;
}

// One for whom there is no memory keeps nobody else from hearing.
void TellWaiters(const std::vector<SessionLoader::Loaded>& waiters,
                 const absl::StatusOr<std::shared_ptr<Session>>& answer) {
  for (const SessionLoader::Loaded& waiter : waiters) {
    CatchOutOfMemory([&] { waiter(answer); }).IgnoreError();
  }
}

}  // namespace

absl::StatusOr<size_t> SessionLoader::List(Store& store) {
  size_t count = 0;
  std::string after;
  while (true) {
    const auto page = store.List(after, kPage);
    if (!page.ok()) return page.status();
    for (const StoredHead& each : *page) {
      const auto record = RecordOf(each, loading_.codec);
      if (record.ok()) {
        loading_.sessions.AddStored(each.head.id, record->birth.request,
                                    // It may have been in use until then.
                                    record->last_use + record->expire_after / 8,
                                    record->expire_after);
      } else {
        loading_.failed(each.head.id, record.status());
        loading_.sessions.AddStored(each.head.id, {});
      }
      ++count;
    }
    MayDieAt(Failpoint::kHeadsListed);
    if (page->size() < kPage) return count;
    after = page->back().head.id;
  }
}

void SessionLoader::Load(const std::string& id, Loaded done) {
  loading_.reader.Read(
      [this, id, done = std::move(done)](Store& store) mutable {
        LoadNow(store, id, std::move(done));
      });
}

void SessionLoader::Describe(const std::string& id, Done<Described> done) {
  loading_.reader.Read([this, id, done = std::move(done)](Store& store) {
    DescribeNow(store, id, done);
  });
}

void SessionLoader::Delete(const std::string& id, Loaded done) {
  loading_.reader.Read(
      [this, id, done = std::move(done)](Store& store) mutable {
        DeleteNow(store, id, std::move(done));
      });
}

void SessionLoader::DeleteExpired(const std::string& id,
                                  SessionTable::Time then, Loaded done) {
  loading_.reader.Read(
      [this, id, then, done = std::move(done)](Store& store) mutable {
        if (!loading_.sessions.IsExpired(id, then) || coming_.contains(id)) {
          return;
        }
        DeleteNow(store, id, std::move(done));
      });
}

void SessionLoader::ForgetCheckpoints(const std::string& id,
                                      SessionTable::Time then,
                                      std::shared_ptr<const void> sweep) {
  loading_.reader.Read(
      [this, id, then, sweep = std::move(sweep)](Store& store) {
        ForgetCheckpointsNow(store, id, then, sweep);
      });
}

void SessionLoader::LoadNow(Store& store, const std::string& id, Loaded done) {
  const auto found = loading_.sessions.Look(id);
  if (!found.has_value()) return done(nullptr);
  if (found->session != nullptr) return done(found->session);
  const auto [coming, is_new] = coming_.try_emplace(id);
  coming->second.waiters.push_back(std::move(done));
  coming->second.is_used = true;
  if (is_new) TryToLoad(store, id);
}

void SessionLoader::TryToLoad(Store& store, const std::string& id) {
  Coming& coming = coming_.at(id);
  MayDieAt(Failpoint::kLoadBegun);
  auto returned = CatchOutOfMemory([&] {
    auto brought = BringBack(store, id);
    if (brought.ok()) brought->session->BeginCommitting();
    return brought;
  });
  if (returned.ok()) {
    coming.returned = *std::move(returned);
    MayDieAt(Failpoint::kBroughtBack);
    return AwaitEpoch(id);
  }
  if (absl::IsResourceExhausted(returned.status()) &&
      Clock::now() - coming.since < kLongestWait) {
    return loading_.reader.ReadLater(
        kWait, [this, id](Store& again) { TryToLoad(again, id); });
  }
  loading_.failed(id, returned.status());
  Answer(id, Explained(id, returned.status()));
}

absl::StatusOr<SessionTable::Returned> SessionLoader::BringBack(
    Store& store, const std::string& id) {
  const auto stored = store.Load(id);
  if (!stored.ok()) return stored.status();
  const auto record = ReadRecord(*stored, loading_.codec, store);
  if (!record.ok()) return record.status();
  auto checkpoints = ReadCheckpoints(*stored, store, loading_.codec);
  if (!checkpoints.ok()) return checkpoints.status();
  auto history = ReadHistory(*stored, *record, store, loading_.codec);
  if (!history.ok()) return history.status();
  return loading_.sessions.BringBack(
      *record,
      NextEpoch(loading_, *stored, *record, *std::move(checkpoints),
                *std::move(history)),
      [&](Session& session) {
        return RestoreSession(*stored, *record, store, session);
      });
}

void SessionLoader::AwaitEpoch(const std::string& id) {
  loading_.committer.Await(
      coming_.at(id).returned.session, [this, id](const absl::Status& status) {
        loading_.reader.Read(
            [this, id, status](Store&) { EndEpochCommit(id, status); });
      });
}

void SessionLoader::EndEpochCommit(const std::string& id,
                                   const absl::Status& status) {
  Coming& coming = coming_.at(id);
  const std::shared_ptr<Session> session = coming.returned.session;
  if (status.ok()) {
    MayDieAt(Failpoint::kEpochDurable);
    loading_.sessions.Show(std::move(coming.returned), coming.is_used);
    loading_.loaded(*session, Clock::now() - coming.since);
    return Answer(id, session);
  }
  if (session->lost()) return Answer(id, status);
  // The committer goes on trying, so it must not be loaded once more.
  TellWaiters(std::exchange(coming.waiters, {}), status);
  AwaitEpoch(id);
}

void SessionLoader::Answer(
    const std::string& id,
    const absl::StatusOr<std::shared_ptr<Session>>& answer) {
  const auto coming = coming_.extract(id);
  TellWaiters(coming.mapped().waiters, answer);
}

absl::StatusOr<StoredView> SessionLoader::View(Store& store,
                                               const std::string& id) {
  const auto stored = store.Load(id);
  if (!stored.ok()) return stored.status();
  auto record = ReadRecord(*stored, loading_.codec, store);
  if (!record.ok()) return record.status();
  StoredView view{.record = *std::move(record),
                  .epoch = stored->head.epoch + 1};
  for (const StoredPiece& piece : stored->pieces) view.bytes += piece.bytes;
  return view;
}

void SessionLoader::DescribeNow(Store& store, const std::string& id,
                                const Done<Described>& done) {
  const auto found = loading_.sessions.Look(id);
  if (!found.has_value()) return done(NoSuchSession(id));
  if (found->session != nullptr) return done(Described{found->session, {}});
  auto view = CatchOutOfMemory([&] { return View(store, id); });
  if (!view.ok()) return done(Explained(id, view.status()));
  // On its way it is what it was, but its epoch may have been committed.
  const auto coming = coming_.find(id);
  if (coming != coming_.end() && coming->second.returned.session != nullptr) {
    view->epoch = coming->second.returned.session->epoch();
  }
  view->last_use = found->last_use;
  done(Described{nullptr, *std::move(view)});
}

void SessionLoader::DeleteNow(Store& store, const std::string& id,
                              Loaded done) {
  const auto found = loading_.sessions.Look(id);
  if (!found.has_value()) return done(NoSuchSession(id));
  if (found->session != nullptr) return done(found->session);
  if (const auto coming = coming_.find(id); coming != coming_.end()) {
    coming->second.waiters.push_back(
        [this, id, done = std::move(done)](
            const absl::StatusOr<std::shared_ptr<Session>>& came) {
          const bool damaged = ReasonOf(came.status()) == kSessionDamaged.name;
          damaged ? Delete(id, done) : done(came);
        });
    return;
  }
  const auto stored = store.Load(id);
  if (stored.ok()) return DeleteStored(stored->head, std::move(done));
  if (absl::IsDataLoss(stored.status())) {
    SessionHead damaged;
    damaged.id = id;
    return DeleteStored(damaged, std::move(done));
  }
  done(Explained(id, stored.status()));
}

absl::StatusOr<SessionTable::Time> SessionLoader::NextExpiry(
    Store& store, const std::string& id) {
  const auto stored = store.Load(id);
  if (!stored.ok()) return stored.status();
  const auto checkpoints = ReadCheckpoints(*stored, store, loading_.codec);
  if (!checkpoints.ok()) return checkpoints.status();
  return checkpoints->NextExpiry();
}

void SessionLoader::ForgetCheckpointsNow(
    Store& store, const std::string& id, SessionTable::Time then,
    const std::shared_ptr<const void>& sweep) {
  const auto found = loading_.sessions.Look(id);
  if (!found.has_value() || found->session != nullptr) return;
  if (coming_.contains(id)) return;
  const auto next = NextExpiry(store, id);
  if (next.ok() && *next > then) return loading_.sessions.LookAgain(id, *next);
  loading_.sessions.LookAgain(id, then + kNextLook);
  if (!next.ok()) return;
  Coming& coming = coming_[id];
  coming.waiters.push_back([sweep](const auto& /*loaded*/) {});
  TryToLoad(store, id);
}

void SessionLoader::DeleteStored(const SessionHead& head, Loaded done) {
  const absl::Status status = loading_.sessions.DeleteStored(head.id);
  if (!status.ok()) return done(status);
  loading_.committer.Erase(
      head, [done = std::move(done)](const absl::Status& erased) {
        if (!erased.ok()) return done(erased);
        done(nullptr);
      });
}

}  // namespace backprop
