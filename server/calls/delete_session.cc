// SPDX-License-Identifier: Apache-2.0
#include "server/calls/delete_session.h"

#include <memory>
#include <utility>

namespace backprop {

absl::Status AnswerDeleteSession(ServiceContext& context,
                                 const v1::DeleteSessionRequest& request,
                                 v1::DeleteSessionResponse* /*response*/,
                                 Settle* settle) {
  absl::Status status = CheckSessionId(request.session_id());
  if (!status.ok()) return status;
  const auto session = context.sessions.Delete(request.session_id());
  if (!session.ok()) return session.status();
  context.housekeeping.SomethingFreed();
  context.metrics.SessionDeleted((*session)->layout().weight_count());
  (*session)->BeginCommitting();  // its end
  *settle = [&context, deleted = *session](auto done) {
    WhenDurable(context, deleted, std::move(done));
  };
  return absl::OkStatus();
}

}  // namespace backprop
