// SPDX-License-Identifier: Apache-2.0
#include "server/calls/service_context.h"

#include <algorithm>
#include <utility>

#include "server/sessions/over_budget.h"
#include "server/sessions/rejection.h"
#include "server/translation/message_limits.h"

namespace backprop {
namespace {

// As many of the largest requests as may wait together.
constexpr size_t kLargestRequestsPending = 16;

// For answers that no limit names: a page of sessions, a session's spec.
constexpr size_t kOtherAnswerBytes = size_t{4} << 20;

// As many sessions may hold all that one may.
constexpr size_t kSessionsHolding = 64;

// Any single answer fits: Predict's are no longer than the largest request.
size_t MostAnswerBytes(const ServerOptions& options) {
  const size_t weights =
      std::min(options.max_session_weights, kMostNumbersInMessage);
  return kLargestRequestsPending * options.max_message_bytes +
         2 * weights * sizeof(float) + kOtherAnswerBytes;
}

}  // namespace

ServiceContext::ServiceContext(const ServerOptions& options_, Metrics& metrics_,
                               SessionTable& sessions_, ComputePool& pool_,
                               std::function<void(ServiceContext&)> tidy)
    : options(options_),
      metrics(metrics_),
      sessions(sessions_),
      pool(pool_),
      pending_calls(options_.max_pending_calls),
      pending_bytes(kLargestRequestsPending * options_.max_message_bytes),
      answer_bytes(MostAnswerBytes(options_)),
      snapshot_weights(options_.max_total_weights),
      watched_bytes(kLargestRequestsPending * options_.max_message_bytes),
      held_bytes(kSessionsHolding * options_.max_held_bytes),
      housekeeping(std::chrono::seconds(2),
                   [this, tidy = std::move(tidy)] { tidy(*this); }) {}

absl::Status Admit(const ServiceContext& context) {
  if (context.draining) {
    return Rejection(kShuttingDown,
                     "the server is shutting down: try again, or another one");
  }
  return absl::OkStatus();
}

absl::Status CheckSessionId(std::string_view session_id,
                            std::string_view field) {
  if (!session_id.empty()) return absl::OkStatus();
  return InvalidField(field, "is required");
}

absl::StatusOr<std::shared_ptr<Session>> FindSession(
    const ServiceContext& context, const std::string& session_id) {
  absl::Status status = CheckSessionId(session_id);
  if (!status.ok()) return status;
  return context.sessions.Find(session_id);
}

void WhenDurable(const ServiceContext& context,
                 const std::shared_ptr<Session>& session,
                 std::function<void(const absl::Status&)> done) {
  if (!session->is_durable()) return done(absl::OkStatus());
  context.committer->Await(session, std::move(done));
}

absl::StatusOr<Budget::Reservation> RoomForAnswer(ServiceContext& context,
                                                  size_t bytes,
                                                  std::string_view field) {
  auto room = context.answer_bytes.Reserve(bytes);
  if (room.has_value()) return *std::move(room);
  return OverBudget({.needed = bytes,
                     .limit = context.answer_bytes.limit(),
                     .what = "bytes of answers that clients have not read yet",
                     .flags = "16 times --max-message-bytes, and 8 times "
                              "--max-session-weights",
                     .field = field},
                    kQueueLimit,
                    "read your answers, and try again with backoff");
}

absl::StatusOr<std::unique_ptr<PendingCall>> PendingCall::Enter(
    ServiceContext& context, size_t bytes) {
  auto call_room = context.pending_calls.Reserve(1);
  if (!call_room.has_value()) {
    return Rejection(kQueueLimit,
                     "too many calls wait for a thread (--max-pending-calls): "
                     "try again with backoff");
  }
  auto byte_room = context.pending_bytes.Reserve(bytes);
  if (!byte_room.has_value()) {
    return OverBudget({.needed = bytes,
                       .limit = context.pending_bytes.limit(),
                       .what = "bytes of requests that wait for a thread",
                       .flags = "16 times --max-message-bytes",
                       .field = "request"});
  }
  return std::unique_ptr<PendingCall>(new PendingCall(
      context.metrics, *std::move(call_room), *std::move(byte_room)));
}

PendingCall::PendingCall(Metrics& metrics, Budget::Reservation call,
                         Budget::Reservation bytes)
    : metrics_(metrics), call_(std::move(call)), bytes_(std::move(bytes)) {
  metrics_.AddQueuedBytes(static_cast<int64_t>(bytes_.amount()));
}

PendingCall::~PendingCall() {
  metrics_.AddQueuedBytes(-static_cast<int64_t>(bytes_.amount()));
}

}  // namespace backprop
