// SPDX-License-Identifier: Apache-2.0
#include "server/calls/create_session.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/contract/delta.h"
#include "engine/random/initialiser.h"
#include "server/calls/fork_spec.h"
#include "server/sessions/rejection.h"
#include "server/translation/spec.h"

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
uint64_t Fingerprint(const v1::CreateSessionRequest& request) {
  const std::hash<std::string_view> hash;
  return hash(absl::StrCat(request.spec().SerializeAsString(), "/",
                           hash(request.initial_weights())));
}

absl::Status CheckRequest(const v1::CreateSessionRequest& request) {
  if (request.request_id().size() > kLongestRequestId) {
    return InvalidField("request_id",
                        absl::StrCat("has ", request.request_id().size(),
                                     " bytes; at most ", kLongestRequestId));
  }
  if (!request.has_fork()) return absl::OkStatus();
  if (request.fork().session_id().empty()) {
    return InvalidField("fork.session_id", "is required");
  }
  if (!request.initial_weights().empty()) {
    return InvalidField("initial_weights",
                        "can't be given with fork, whose origin gives them");
  }
  return absl::OkStatus();
}

using Fill = std::function<void(Session&)>;

// spec: checked.
absl::StatusOr<SessionTable::Created> Create(
    const ServerOptions& options, const SessionSpec& spec,
    const SessionTable::RequestKey& key, std::string_view given,
    const Fill& fill, SessionTable& sessions) {
  const auto layout = LayoutOf(spec, options.max_session_weights);
  if (!layout.ok()) return layout.status();
  if (!given.empty()) {
    absl::Status status = CheckWeights(given, *layout);
    if (!status.ok()) return status;
  }
  return sessions.Create(spec, *layout, key, fill);
}

absl::StatusOr<SessionTable::Created> CreateFork(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    const SessionTable::RequestKey& key, SessionTable& sessions) {
  const auto origin = sessions.Find(request.fork().session_id());
  if (!origin.ok()) return origin.status();
  const auto spec = ForkedSpec(request, **origin);
  if (!spec.ok()) return spec.status();
  const auto fill = [&](Session& session) {
    session.ForkFrom(**origin, request.fork().with_state());
  };
  return Create(options, *spec, key, {}, fill, sessions);
}

}  // namespace

absl::StatusOr<SessionTable::Created> MakeSession(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    SessionTable& sessions) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  const SessionTable::RequestKey key = {request.request_id(),
                                        Fingerprint(request)};
  auto earlier = sessions.FindMade(key);
  if (!earlier.ok()) return earlier.status();
  if (*earlier != nullptr) {
    return SessionTable::Created{*std::move(earlier), false};
  }
  if (request.has_fork()) return CreateFork(options, request, key, sessions);

  const std::string& given = request.initial_weights();
  const auto spec = SpecFromProto(request.spec(), !given.empty());
  if (!spec.ok()) return spec.status();
  const auto fill = [&given](Session& session) {
    if (given.empty()) {
      Initialise(*session.spec()->initialiser, session.layout(),
                 session.weights());
    } else {
      std::memcpy(session.weights().data(), given.data(), given.size());
    }
  };
  return Create(options, *spec, key, given, fill, sessions);
}

}  // namespace backprop
