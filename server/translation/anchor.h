// SPDX-License-Identifier: Apache-2.0
//
// From v1.Anchor to a session: how one is put back.
//
//   if (absl::Status s = TakeOverFromAnchor(anchor, &spec); !s.ok()) return s;
//   ... the layout is made of the spec ...
//   auto standing = StandingFromProto(anchor, spec, layout);
//   ... the session is made of spec and layout ...
//   GoOnFromAnchor(anchor, *std::move(standing), session);
#ifndef BACKPROP_SERVER_TRANSLATION_ANCHOR_H_
#define BACKPROP_SERVER_TRANSLATION_ANCHOR_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/sessions/session.h"

namespace backprop {

// What the anchor of a session adds to the spec that it is put back with: the
// input standardisation that it has learnt, and the rule of plain descent.
// Fails with INVALID_REQUEST, as all here do, with paths that begin with
// "initial.": here also where the spec has another standardisation than the
// anchor, or a rule that can't go on from the anchor's.
absl::Status TakeOverFromAnchor(const v1::Anchor& anchor, SessionSpec* spec);

// Checks the whole anchor, every number of weights and state included, without
// a copy of them; what has been learnt of the inputs' standardisation is
// copied. spec: with what it takes over from the anchor; layout: of that spec.
absl::StatusOr<Standing> StandingFromProto(const v1::Anchor& anchor,
                                           const SessionSpec& spec,
                                           const Layout& layout);

// Before others know the session. anchor: checked by StandingFromProto, which
// gave the standing, for this session's spec and layout.
void GoOnFromAnchor(const v1::Anchor& anchor, Standing standing,
                    Session& session);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_ANCHOR_H_
