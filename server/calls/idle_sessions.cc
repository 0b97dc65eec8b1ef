// SPDX-License-Identifier: Apache-2.0
#include "server/calls/idle_sessions.h"

#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "server/ops/log.h"

namespace backprop {
namespace {

// Stored sessions that one sweep deletes: so long at most others wait for the
// thread that reads.
constexpr size_t kMostExpiring = 100;
// And those whose checkpoints it looks at, each of which may have to be loaded.
constexpr size_t kMostLooks = 20;

// What there is no memory for is done another time. Nothing may leave the
// thread that tidies, and a status that said so would need memory.
template <typename Work>
void Try(Work work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
  }
}

void TellExpired(ServiceContext& context, const std::string& id) {
  context.metrics.SessionExpired();
  Log(LogLevel::kInfo, "a session has expired, and is deleted",
      {{"session", std::string_view(id)}});
}

void DeleteExpired(ServiceContext& context,
                   std::chrono::system_clock::time_point now) {
  for (const auto& session : context.sessions.DeleteExpired(now)) {
    context.metrics.SessionDeleted(session->layout().weight_count());
    context.housekeeping.SomethingFreed();
    // Without memory for that it is there again when the server is, and expires
    // then.
    Try([&] { session->BeginCommitting(); });  // its end
    Try([&] { TellExpired(context, session->id()); });
  }
}

void DeleteExpiredInStore(ServiceContext& context,
                          std::chrono::system_clock::time_point now,
                          const std::shared_ptr<const void>& sweep) {
  for (const std::string& id :
       context.sessions.ListExpired(now, kMostExpiring)) {
    context.loader->DeleteExpired(
        id, now,
        [&context, id,
         sweep](const absl::StatusOr<std::shared_ptr<Session>>& is) {
          if (!is.ok()) return;
          context.metrics.StoredSessionDeleted();
          TellExpired(context, id);
        });
  }
}

void TidyStored(ServiceContext& context,
                std::chrono::system_clock::time_point now) {
  if (!context.sweep.expired()) return;
  const auto sweep = std::make_shared<const int>();
  context.sweep = sweep;
  DeleteExpiredInStore(context, now, sweep);
  for (const std::string& id : context.sessions.ListToLookAt(now, kMostLooks)) {
    context.loader->ForgetCheckpoints(id, now, sweep);
  }
}

// Where that has changed. Here, since a disk that hangs ends no attempt.
void TellIfFull(ServiceContext& context) {
  const Undurable& undurable = context.committer->undurable();
  const bool full = undurable.IsFull();
  if (std::exchange(context.store_is_full, full) == full) return;
  Log(full ? LogLevel::kError : LogLevel::kInfo,
      full ? "durable sessions train no more until the store takes what they "
             "did (--max-undurable-bytes): it fails, or has not answered in "
             "time"
           : "durable sessions may train again",
      {{"undurable_bytes", uint64_t{undurable.bytes()}},
       {"max_undurable_bytes", uint64_t{undurable.limit()}}});
}

void TellUndurable(ServiceContext& context) {
  if (context.committer == nullptr) return;
  TellIfFull(context);
  const std::chrono::duration<double> delay = context.committer->Delay();
  context.metrics.SetUndurable(context.committer->undurable().bytes(),
                               delay.count());
}

// What a session holds is its turn's.
void ForgetHeldAnswers(ServiceContext& context,
                       std::chrono::system_clock::time_point now) {
  for (const auto& session : context.sessions.HoldingInVain(now)) {
    context.pool.Submit(session->lane(), [session, now](Worker&) {
      if (session->HoldsInVain(now)) session->held_answers().Clear();
    });
  }
}

}  // namespace

void TidySessions(ServiceContext& context,
                  std::chrono::system_clock::time_point now) {
  if (!context.complete) return;
  Try([&] { TellUndurable(context); });
  context.metrics.SetHeldAnswers(context.held_bytes.lent());
  Try([&] { context.sessions.ForgetOldDeltas(DeltaFeed::Clock::now()); });
  if (context.draining) return;
  Try([&] { ForgetHeldAnswers(context, now); });
  Try([&] { context.sessions.ForgetExpiredCheckpoints(now); });
  Try([&] { context.sessions.SeeUse(now); });
  Try([&] { DeleteExpired(context, now); });
  Try([&] { TidyStored(context, now); });
  const std::chrono::seconds idle(context.options.evict_after_seconds);
  if (idle.count() == 0) return;
  Try([&] { context.sessions.EvictIdle(now, idle); });
}

}  // namespace backprop
