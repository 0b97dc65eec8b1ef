// SPDX-License-Identifier: Apache-2.0
//
// Requests that were done, as the store keeps them.
#ifndef BACKPROP_SERVER_TRANSLATION_STORED_REQUESTS_H_
#define BACKPROP_SERVER_TRANSLATION_STORED_REQUESTS_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/store/v1/session.pb.h"
#include "server/sessions/done_requests.h"

namespace backprop {

using StoredRequests =
    google::protobuf::RepeatedPtrField<store::v1::DoneRequest>;

void DoneRequestsToProto(std::span<const DoneRequest> requests,
                         StoredRequests* proto);
// Fails with DATA_LOSS.
absl::StatusOr<std::vector<DoneRequest>> DoneRequestsFromProto(
    const StoredRequests& proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_STORED_REQUESTS_H_
