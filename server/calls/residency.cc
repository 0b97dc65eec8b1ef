// SPDX-License-Identifier: Apache-2.0
#include "server/calls/residency.h"

#include <utility>

#include "server/sessions/session_loader.h"

namespace backprop {

Residency LookFor(const ServiceContext& context, const std::string& id) {
  if (id.empty()) return {};
  auto found = context.sessions.Look(id);
  if (!found.has_value()) return {};
  const bool in_store = found->session == nullptr;
  return {std::move(found->session), in_store};
}

void BringIntoMemory(
    ServiceContext& context, const std::string& id,
    std::function<void(absl::StatusOr<std::shared_ptr<Session>>)> ready) {
  context.loader->Load(
      id, [&context, ready = std::move(ready)](
              absl::StatusOr<std::shared_ptr<Session>> loaded) {
        context.pool.Submit(
            [ready, loaded = std::move(loaded)](Worker&) { ready(loaded); });
      });
}

std::string SessionFor(const ServiceContext& context,
                       const v1::CreateSessionRequest& request) {
  if (!request.request_id().empty()) {
    std::string made = context.sessions.IdMadeBy(request.request_id());
    if (!made.empty()) return made;
  }
  return request.fork().session_id();
}

}  // namespace backprop
