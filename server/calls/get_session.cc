// SPDX-License-Identifier: Apache-2.0
#include "server/calls/get_session.h"

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

absl::Status AnswerGetSession(ServiceContext& context,
                              const v1::GetSessionRequest& request,
                              v1::GetSessionResponse* response) {
  const auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  SessionToProto(**session, response->mutable_session());
  return absl::OkStatus();
}

}  // namespace backprop
