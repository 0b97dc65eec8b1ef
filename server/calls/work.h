// SPDX-License-Identifier: Apache-2.0
//
// What a unary RPC is to the server: a function of its request that says what
// is to be done on the compute pool and for whom. Each is a file of this folder
// and a row in rpc/training_service.cc, which leads calls to it.
//
//   absl::StatusOr<Work> PlanPredict(ServiceContext& context,
//                                    const v1::PredictRequest& request,
//                                    v1::PredictResponse* response);
//
// It looks at the request, finds its session and changes nothing: quickly, on
// any thread. Both messages live as long as the work does. An RPC that needs no
// turn answers at once instead, also where the pool has much to do:
//
//   absl::Status AnswerGetSession(ServiceContext& context,
//                                 const v1::GetSessionRequest& request,
//                                 v1::GetSessionResponse* response);
//
// or says what has to come first: *settle is called then, and may fill the
// response.
//
//   absl::Status AnswerDeleteSession(ServiceContext& context,
//                                    const v1::DeleteSessionRequest& request,
//                                    v1::DeleteSessionResponse* response,
//                                    Settle* settle);
//
// The session that a planned call is about is in memory when it is planned, and
// stays there until the call has ended (residency.h).
#ifndef BACKPROP_SERVER_CALLS_WORK_H_
#define BACKPROP_SERVER_CALLS_WORK_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "server/sessions/compute_pool.h"

namespace backprop {

// Calls what it is given, now or later and from any thread, when a call may go
// on, or with why it fails after all.
using Settle = std::function<void(std::function<void(const absl::Status&)>)>;

// What a call does on the pool.
struct Work {
  std::shared_ptr<Lane> lane;  // null: a lane of its own
  // At most, more or less; room for so many is had before the work begins.
  size_t answer_bytes = 0;
  // Called in turns of the lane, nothing else of the lane between them, until
  // it returns the call's status.
  std::function<std::optional<absl::Status>(Worker&)> part;
  // Of the request: what makes the answer so long.
  std::string_view answer_field = "session_id";
  // For what part needs and no turn may wait for: called before its first turn,
  // which waits for it. Empty: nothing.
  Settle begin = nullptr;
  // Called once part has returned OK, within the turn. Empty: the answer is
  // sent at once.
  Settle settle = nullptr;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_WORK_H_
