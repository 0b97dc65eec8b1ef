// SPDX-License-Identifier: Apache-2.0
#include "server/translation/session_metadata.h"

#include <google/protobuf/util/json_util.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backprop/v1/training_service.pb.h"
#include "engine/interchange/session_tensors.h"
#include "engine/interchange/signed_zeros.h"
#include "server/translation/continuation.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

// Made of the domain, so it has no field that is unknown here.
absl::StatusOr<std::string> JsonOf(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (status.ok()) return WithSignedZeros(json);
  return absl::InternalError(absl::StrCat(
      message.GetDescriptor()->full_name(), " makes no JSON: ",
      std::string(status.message().data(), status.message().size())));
}

// Without weights and state.
v1::Anchor AnchorOf(Session& session, bool with_state) {
  const SessionSpec& spec = *session.in_turn().spec;
  v1::Anchor anchor;
  if (!spec.input.mean.empty()) {
    v1::Standardisation& known = *anchor.mutable_standardisation();
    known.mutable_mean()->Add(spec.input.mean.begin(), spec.input.mean.end());
    known.mutable_factor()->Add(spec.input.factor.begin(),
                                spec.input.factor.end());
  }
  anchor.mutable_continuation();
  if (!with_state) return anchor;
  const Standing standing = session.standing();
  anchor.set_step(standing.progress.step);
  anchor.set_next_offset(standing.progress.next_offset);
  anchor.set_digest(session.WeightsDigest());
  ContinuationToProto(standing, spec, /*with_learning=*/true,
                      anchor.mutable_continuation());
  return anchor;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> SessionMetadata(
    Session& session, bool with_state) {
  v1::SessionSpec spec = SpecToProto(*session.in_turn().spec, session.layout());
  spec.clear_durability();
  const auto spec_json = JsonOf(spec);
  if (!spec_json.ok()) return spec_json.status();
  const auto anchor_json = JsonOf(AnchorOf(session, with_state));
  if (!anchor_json.ok()) return anchor_json.status();
  return std::map<std::string, std::string>{
      {kSpecKey, *spec_json},
      {kAnchorKey, *anchor_json},
      {kStepKey, absl::StrCat(session.standing().progress.step)},
      {kDigestKey, absl::StrFormat("%016x", session.WeightsDigest())}};
}

}  // namespace backprop
