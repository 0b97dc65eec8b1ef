// SPDX-License-Identifier: Apache-2.0
//
// Between the protocol's SessionSpec and Session and the server's.
#ifndef BACKPROP_SERVER_TRANSLATION_SPEC_H_
#define BACKPROP_SERVER_TRANSLATION_SPEC_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/sessions/session.h"
#include "server/sessions/session_loader.h"

namespace backprop {

// The effective spec. Fails with INVALID_REQUEST naming every faulty field,
// with paths that begin with "spec.".
absl::StatusOr<SessionSpec> SpecFromProto(const v1::SessionSpec& proto,
                                          bool weights_given);

// layout: the spec's, see LayoutOf.
v1::SessionSpec SpecToProto(const SessionSpec& spec, const Layout& layout);

// Fails with INVALID_REQUEST if the net is larger than max_weights or its size
// overflows, if a step's numbers are too many, or as CheckHistory (history.h).
absl::StatusOr<Layout> LayoutOf(const SessionSpec& spec, size_t max_weights);

// The session as it is now. Any thread.
void SessionToProto(const Session& session, v1::Session* proto);
// One that is in the store alone: as it will be when it is next used, for
// nothing can change it until then.
void StoredSessionToProto(const StoredView& stored, v1::Session* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_SPEC_H_
