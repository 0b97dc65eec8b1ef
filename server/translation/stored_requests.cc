// SPDX-License-Identifier: Apache-2.0
#include "server/translation/stored_requests.h"

#include "absl/strings/str_cat.h"

namespace backprop {

void DoneRequestsToProto(std::span<const DoneRequest> requests,
                         StoredRequests* proto) {
  for (const DoneRequest& each : requests) {
    store::v1::DoneRequest* added = proto->Add();
    added->set_request_id(each.key.request_id);
    added->set_fingerprint(each.key.fingerprint);
    added->set_result(each.result);
  }
}

absl::StatusOr<std::vector<DoneRequest>> DoneRequestsFromProto(
    const StoredRequests& proto) {
  std::vector<DoneRequest> requests;
  for (const store::v1::DoneRequest& each : proto) {
    const size_t length = each.request_id().size();
    if (length == 0 || length > kLongestRequestId) {
      return absl::DataLossError(
          absl::StrCat("the name of a request has ", length, " bytes"));
    }
    requests.push_back(
        {{each.request_id(), each.fingerprint()}, each.result()});
  }
  return requests;
}

}  // namespace backprop
