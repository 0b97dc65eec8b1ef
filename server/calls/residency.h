// SPDX-License-Identifier: Apache-2.0
//
// Before a call is begun, the session that it names is in memory: whoever
// serves the call looks here first, and waits where it has to be loaded.
//
//   Residency found = LookFor(context, id);
//   if (found.in_store) return BringIntoMemory(context, id, […](auto session) {
//     … goes on as below, in a turn of the pool …
//   });
//   … looks the session up while it holds found.session, so that it stays …
#ifndef BACKPROP_SERVER_CALLS_RESIDENCY_H_
#define BACKPROP_SERVER_CALLS_RESIDENCY_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"

namespace backprop {

struct Residency {
  std::shared_ptr<Session> session;  // null: there is none, or ...
  bool in_store = false;             // ... it is in the store alone
};

// Any thread.
Residency LookFor(const ServiceContext& context, const std::string& id);

// Calls ready, in a turn of the pool, with the session in memory, or with null
// where there is none by now. Fails with SESSION_DAMAGED, STORE_FAILED or
// SESSION_LIMIT. REQUIRES that LookFor said in_store.
void BringIntoMemory(
    ServiceContext& context, const std::string& id,
    std::function<void(absl::StatusOr<std::shared_ptr<Session>>)> ready);

// The session that a request is about, if any.
template <class Request>
std::string SessionFor(const ServiceContext& /*context*/,
                       const Request& request) {
  if constexpr (requires { request.session_id(); }) {
    return request.session_id();
  } else {
    return {};
  }
}
// The one that an equal request has made, or the fork's origin.
std::string SessionFor(const ServiceContext& context,
                       const v1::CreateSessionRequest& request);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_RESIDENCY_H_
