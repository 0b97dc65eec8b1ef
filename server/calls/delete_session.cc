// SPDX-License-Identifier: Apache-2.0
#include "server/calls/delete_session.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/calls/residency.h"

namespace backprop {
namespace {

using Done = std::function<void(const absl::Status&)>;

absl::StatusOr<std::shared_ptr<Session>> DeleteInMemory(ServiceContext& context,
                                                        const std::string& id) {
  auto session = context.sessions.Delete(id);
  if (!session.ok()) return session;
  context.housekeeping.SomethingFreed();
  context.metrics.SessionDeleted((*session)->layout().weight_count());
  (*session)->BeginCommitting();  // its end
  return session;
}

// One that is damaged in the store hands over no end of its own.
void WhenForgotten(ServiceContext& context,
                   const std::shared_ptr<Session>& session, Done done) {
  WhenDurable(
      context, session,
      [&context, session, done = std::move(done)](const absl::Status& status) {
        if (session->loss() != ChangeOutcome::kDamaged) {
          return done(status);
        }
        SessionHead damaged;
        damaged.id = session->id();
        context.committer->Erase(damaged, done);
      });
}

// Of one that was in the store alone when it was looked for.
void DeleteStored(ServiceContext& context, const std::string& id, Done done) {
  context.loader->Delete(
      id, [&context, id, done = std::move(done)](
              const absl::StatusOr<std::shared_ptr<Session>>& in_memory) {
        if (!in_memory.ok()) return done(in_memory.status());
        if (*in_memory == nullptr) {
          context.metrics.StoredSessionDeleted();
          return done(absl::OkStatus());
        }
        const auto session = DeleteInMemory(context, id);
        if (!session.ok()) return done(session.status());
        WhenForgotten(context, *session, done);
      });
}

}  // namespace

absl::Status AnswerDeleteSession(ServiceContext& context,
                                 const v1::DeleteSessionRequest& request,
                                 v1::DeleteSessionResponse* /*response*/,
                                 Settle* settle) {
  const std::string& id = request.session_id();
  absl::Status status = CheckSessionId(id);
  if (!status.ok()) return status;
  if (LookFor(context, id).in_store) {
    *settle = [&context, id](auto done) {
      DeleteStored(context, id, std::move(done));
    };
    return absl::OkStatus();
  }
  const auto session = DeleteInMemory(context, id);
  if (!session.ok()) return session.status();
  *settle = [&context, deleted = *session](auto done) {
    WhenForgotten(context, deleted, std::move(done));
  };
  return absl::OkStatus();
}

}  // namespace backprop
