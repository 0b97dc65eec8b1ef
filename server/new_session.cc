// SPDX-License-Identifier: Apache-2.0
#include "server/new_session.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/delta.h"
#include "engine/initialiser.h"
#include "server/rejection.h"
#include "server/spec_translation.h"

namespace backprop {
namespace {

constexpr size_t kLongestRequestId = 128;

absl::Status CheckWeights(std::string_view bytes, const Layout& layout) {
  const size_t count = layout.weight_count();
  if (bytes.size() != count * sizeof(float)) {
    return InvalidField(
        "initial_weights",
        absl::StrCat("has ", bytes.size(), " bytes; the network has ", count,
                     " weights, ", count * sizeof(float), " bytes"));
  }
  for (size_t i = 0; i < count; ++i) {
    float weight = 0;
    std::memcpy(&weight, bytes.data() + i * sizeof(float), sizeof(float));
    if (!(std::fabs(weight) <= kLargestDelta)) {  // NaN too
      return InvalidField("initial_weights",
                          absl::StrCat("number ", i, " is ", weight,
                                       "; must be finite and at most 2^96 in "
                                       "magnitude"));
    }
  }
  return absl::OkStatus();
}

// Of what must be equal for a request to be the same request.
uint64_t Fingerprint(const SessionSpec& spec, const Layout& layout,
                     std::string_view weights) {
  const std::hash<std::string_view> hash;
  const std::string text = SpecToProto(spec, layout).SerializeAsString();
  return hash(absl::StrCat(text, "/", hash(weights)));
}

}  // namespace

absl::StatusOr<SessionTable::Created> MakeSession(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    SessionTable& sessions) {
  if (request.request_id().size() > kLongestRequestId) {
    return InvalidField("request_id",
                        absl::StrCat("has ", request.request_id().size(),
                                     " bytes; at most ", kLongestRequestId));
  }
  const std::string& given = request.initial_weights();
  const auto spec = SpecFromProto(request.spec(), !given.empty());
  if (!spec.ok()) return spec.status();
  const auto layout = LayoutOf(*spec, options.max_session_weights);
  if (!layout.ok()) return layout.status();
  if (!given.empty()) {
    absl::Status status = CheckWeights(given, *layout);
    if (!status.ok()) return status;
  }
  const SessionTable::RequestKey key = {request.request_id(),
                                        Fingerprint(*spec, *layout, given)};
  return sessions.Create(*spec, *layout, key, [&given](Session& session) {
    if (given.empty()) {
      Initialise(*session.spec()->initialiser, session.layout(),
                 session.weights());
    } else {
      std::memcpy(session.weights().data(), given.data(), given.size());
    }
  });
}

}  // namespace backprop
