// SPDX-License-Identifier: Apache-2.0
//
// What every RPC has: what it works on, and what it may take of it.
#ifndef BACKPROP_SERVER_CALLS_SERVICE_CONTEXT_H_
#define BACKPROP_SERVER_CALLS_SERVICE_CONTEXT_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/ops/housekeeping.h"
#include "server/ops/metrics.h"
#include "server/options/options.h"
#include "server/sessions/budget.h"
#include "server/sessions/committer.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/session_loader.h"
#include "server/sessions/session_table.h"
#include "server/sessions/store_reader.h"

namespace backprop {

// What the services share; outlives every call and every turn.
struct ServiceContext {
  // The first four must outlive the object. tidy: called with it every few
  // seconds, by a thread of its own, from now on.
  ServiceContext(const ServerOptions& options, Metrics& metrics,
                 SessionTable& sessions, ComputePool& pool,
                 std::function<void(ServiceContext&)> tidy);

  const ServerOptions& options;
  Metrics& metrics;
  SessionTable& sessions;
  ComputePool& pool;
  Committer* committer = nullptr;   // null: there is no store
  StoreReader* reader = nullptr;    // likewise
  SessionLoader* loader = nullptr;  // likewise
  // All of these are set, and the stored sessions are listed: they may be
  // tidied.
  std::atomic<bool> complete = false;
  // The tidying's: training waits for the store, as far as the log knows.
  bool store_is_full = false;
  // The tidying's: as long as what one sweep has found to be done to stored
  // sessions is being done.
  std::weak_ptr<const void> sweep;
  const std::chrono::system_clock::time_point start_time =
      std::chrono::system_clock::now();
  std::atomic<bool> draining = false;
  Budget pending_calls;     // waiting for or in a turn
  Budget pending_bytes;     // of those calls' requests
  Budget answer_bytes;      // of unary answers, until they have been sent
  Budget snapshot_weights;  // numbers copied as anchors, not yet sent
  Budget watched_bytes;     // of deltas being sent to watchers
  Budget held_bytes;        // of answers that sessions hold for their writers
  Housekeeping housekeeping;
};

// SHUTTING_DOWN once the server drains. Also the one place where callers will
// be authenticated, when there is authentication.
absl::Status Admit(const ServiceContext& context);

// INVALID_REQUEST if a request that has to name a session does not. field: of
// the request.
absl::Status CheckSessionId(std::string_view session_id,
                            std::string_view field = "session_id");

// Fails as CheckSessionId and SessionTable::Find.
absl::StatusOr<std::shared_ptr<Session>> FindSession(
    const ServiceContext& context, const std::string& session_id);

// Work::settle for what changes a session: once it is durable, or at once where
// the session is in memory only.
void WhenDurable(const ServiceContext& context,
                 const std::shared_ptr<Session>& session,
                 std::function<void(const absl::Status&)> done);

// Room for a unary answer, to be held until it has been sent: a client that
// doesn't read can't pile up more than there is. Fails as OverBudget when there
// is too little left. field: of the request, what makes the answer so long.
absl::StatusOr<Budget::Reservation> RoomForAnswer(ServiceContext& context,
                                                  size_t bytes,
                                                  std::string_view field);

// A request that waits for the pool: one of the calls and so many of the bytes
// that may wait, until it is destroyed.
class PendingCall {
 public:
  // bytes: the request's length. Fails with QUEUE_LIMIT when too many calls
  // wait, as OverBudget when too many bytes do.
  static absl::StatusOr<std::unique_ptr<PendingCall>> Enter(
      ServiceContext& context, size_t bytes);
  ~PendingCall();
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;

 private:
  PendingCall(Metrics& metrics, Budget::Reservation call,
              Budget::Reservation bytes);

  Metrics& metrics_;
  const Budget::Reservation call_;
  const Budget::Reservation bytes_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_SERVICE_CONTEXT_H_
