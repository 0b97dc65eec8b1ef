// SPDX-License-Identifier: Apache-2.0
#include "server/calls/get_session.h"

#include <memory>
#include <string>
#include <utility>

#include "server/calls/residency.h"
#include "server/translation/spec.h"

namespace backprop {

size_t SessionBytes(size_t layers) {
  constexpr size_t kLayerBytes = 128;
  constexpr size_t kOtherBytes = 1024;
  return kOtherBytes + layers * kLayerBytes;
}

size_t SessionBytes(const Session& session) {
  const Layout& layout = session.layout();
  // Standardisation and class weights.
  const size_t numbers = 2 * layout.input_size() + layout.output_size();
  return SessionBytes(layout.layers().size()) + numbers * sizeof(float);
}

void DescribeSession(const Described& described, v1::Session* proto) {
  if (described.session != nullptr) {
    SessionToProto(*described.session, proto);
  } else {
    StoredSessionToProto(*described.stored, proto);
  }
}

absl::Status AnswerGetSession(ServiceContext& context,
                              const v1::GetSessionRequest& request,
                              v1::GetSessionResponse* response,
                              Settle* settle) {
  const std::string& id = request.session_id();
  absl::Status status = CheckSessionId(id);
  if (!status.ok()) return status;
  const Residency found = LookFor(context, id);
  if (found.in_store) {
    *settle = [&context, id, response](auto done) {
      context.loader->Describe(
          id, [response, done = std::move(done)](const auto& described) {
            if (!described.ok()) return done(described.status());
            DescribeSession(*described, response->mutable_session());
            done(absl::OkStatus());
          });
    };
    return absl::OkStatus();
  }
  // To look at a session is no use of it.
  if (found.session == nullptr) return context.sessions.Find(id).status();
  SessionToProto(*found.session, response->mutable_session());
  return absl::OkStatus();
}

}  // namespace backprop
