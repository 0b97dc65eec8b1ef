// SPDX-License-Identifier: Apache-2.0
#include "server/calls/list_checkpoints.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "server/calls/find_checkpoint.h"
#include "server/sessions/rejection.h"
#include "server/translation/checkpoint.h"

namespace backprop {
namespace {

constexpr uint32_t kCheckpointsAPage = 100;
constexpr uint32_t kMostCheckpointsAPage = 1000;

absl::Status ListPage(const Session& session,
                      const v1::ListCheckpointsRequest& request, size_t size,
                      v1::ListCheckpointsResponse* response) {
  // One more, to see whether there is a further page.
  const auto found =
      session.checkpoints()->List(request.page_token(), size + 1);
  for (const auto& each : found) {
    if (static_cast<size_t>(response->checkpoints_size()) == size) {
      response->set_next_page_token(response->checkpoints().rbegin()->name());
      break;
    }
    CheckpointToProto(session.id(), *each, response->add_checkpoints());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Work> PlanListCheckpoints(
    ServiceContext& context, const v1::ListCheckpointsRequest& request,
    v1::ListCheckpointsResponse* response) {
  if (request.page_size() > kMostCheckpointsAPage) {
    return InvalidField(
        "page_size", absl::StrCat("is ", request.page_size(),
                                  "; must be at most ", kMostCheckpointsAPage));
  }
  const auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  if (!request.page_token().empty() &&
      !CheckCheckpointName(request.page_token(), "page_token").ok()) {
    return InvalidField("page_token",
                        "must be an answer's next_page_token, or empty");
  }
  const size_t size =
      request.page_size() == 0 ? kCheckpointsAPage : request.page_size();
  return Work{nullptr, size * kCheckpointBytes,
              [listed = *session, &request, size, response](Worker&) {
                return ListPage(*listed, request, size, response);
              },
              "page_size"};
}

}  // namespace backprop
