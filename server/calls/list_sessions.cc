// SPDX-License-Identifier: Apache-2.0
#include "server/calls/list_sessions.h"

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

constexpr uint32_t kPageSize = 100;
constexpr uint32_t kLargestPage = 1000;
// A page ends early beyond this, so that pages of deep nets stay below gRPC's
// default receive limit.
constexpr size_t kFullPageBytes = size_t{1} << 20;

// request: checked.
absl::Status ListPage(const SessionTable& sessions,
                      const v1::ListSessionsRequest& request,
                      v1::ListSessionsResponse* response) {
  const size_t size =
      request.page_size() == 0 ? kPageSize : request.page_size();
  // One more, to see whether there is a further page.
  const auto found = sessions.List(request.page_token(), size + 1);
  size_t bytes = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (i == size || bytes >= kFullPageBytes) {
      response->set_next_page_token(found[i - 1]->id());
      break;
    }
    v1::Session* const added = response->add_sessions();
    SessionToProto(*found[i], added);
    bytes += added->ByteSizeLong();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Work> PlanListSessions(ServiceContext& context,
                                      const v1::ListSessionsRequest& request,
                                      v1::ListSessionsResponse* response) {
  if (request.page_size() > kLargestPage) {
    return InvalidField("page_size",
                        absl::StrCat("is ", request.page_size(),
                                     "; must be at most ", kLargestPage));
  }
  if (!request.page_token().empty() && !IsSessionId(request.page_token())) {
    return InvalidField("page_token",
                        "must be an answer's next_page_token, or empty");
  }
  return Work{nullptr, 2 * kFullPageBytes,
              [&context, &request, response](Worker&) {
                return ListPage(context.sessions, request, response);
              }};
}

}  // namespace backprop
