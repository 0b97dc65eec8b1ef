// SPDX-License-Identifier: Apache-2.0
#include "server/calls/update_session.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/calls/get_session.h"
#include "server/calls/request_id.h"
#include "server/sessions/rejection.h"
#include "server/translation/history.h"
#include "server/translation/live_fields.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

using google::protobuf::FieldMask;
using Violations = std::vector<FieldViolation>;

// These begin the schedule anew.
constexpr std::string_view kRate = "optimiser.learning_rate";
constexpr std::string_view kSchedule = "optimiser.schedule";

bool Names(const FieldMask& mask, std::string_view path) {
  return std::ranges::find(mask.paths(), path) != mask.paths().end();
}

std::string AllPaths() {
  std::string all;
  for (const LiveField& field : LiveFields()) {
    absl::StrAppend(&all, all.empty() ? "" : ", ", field.path);
  }
  return all;
}

// spec: the session's present one.
Violations CheckMask(const FieldMask& mask, const v1::SessionSpec& spec) {
  if (mask.paths().empty()) {
    return {{"update_mask", "must name at least one field"}};
  }
  // Each path once at most: more would only be repetitions.
  const size_t most = LiveFields().size();
  if (mask.paths_size() > static_cast<int>(most)) {
    return {
        {"update_mask", absl::StrCat("names ", mask.paths_size(),
                                     " fields; there are ", most, " at most")}};
  }
  Violations violations;
  for (int i = 0; i < mask.paths_size(); ++i) {
    const std::string field = absl::StrCat("update_mask.paths[", i, "]");
    const LiveField* const known = FindLiveField(mask.paths(i));
    if (known == nullptr) {
      violations.push_back({field, absl::StrCat("is not one of ", AllPaths())});
    } else if (!HasField(spec, *known)) {
      violations.push_back({field, absl::StrCat("names ", mask.paths(i),
                                                ", but the session has "
                                                "another optimiser")});
    }
  }
  return violations;
}

// Copies what the checked mask names.
absl::Status Merge(const v1::UpdateSessionRequest& request,
                   v1::SessionSpec* spec) {
  for (const std::string& path : request.update_mask().paths()) {
    absl::Status status = CopyField(request.spec(), *FindLiveField(path), spec);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Refuses what would change the layout. before, after: the optimiser, and the
// rule that a session made with it has.
Violations CheckLayout(const v1::Optimiser& before, Rule rule_before,
                       const v1::Optimiser& after, Rule rule_after) {
  if (rule_after == rule_before) return {};
  if (StateCount(rule_before) != StateCount(rule_after)) {
    return {{"spec.optimiser.sgd.momentum",
             absl::StrCat("can't go from ", before.sgd().momentum(), " to ",
                          after.sgd().momentum(),
                          ": that would change the layout")}};
  }
  // A rule that is there for more than the optimiser still has stays.
  if (rule_before != rules::None::kRule) return {};
  Violations violations;
  const auto refuse = [&](float value, const char* field) {
    if (value == 0) return;
    violations.push_back({absl::StrCat("spec.optimiser.", field),
                          "can't be set on a session whose factors are the "
                          "delta itself: create one with it, or fork"});
  };
  refuse(after.l2(), "l2");
  refuse(after.l1(), "l1");
  refuse(after.decoupled_decay(), "decoupled_decay");
  refuse(after.clipping().max_value(), "clipping.max_value");
  return violations;
}

// The spec with what the request changes: only what some path names is taken
// from the request, so what none names can't be lost.
absl::StatusOr<SessionSpec> Updated(const v1::UpdateSessionRequest& request,
                                    const SessionSpec& before,
                                    const Layout& layout) {
  const v1::SessionSpec present = SpecToProto(before, layout);
  v1::SessionSpec proto = present;
  Violations violations = CheckMask(request.update_mask(), proto);
  if (!violations.empty()) return InvalidFields(violations);
  absl::Status status = Merge(request, &proto);
  if (!status.ok()) return status;
  auto after = SpecFromProto(proto, /*weights_given=*/!before.initialiser);
  if (!after.ok()) return after;
  violations = CheckLayout(present.optimiser(), before.rule, proto.optimiser(),
                           after->rule);
  if (!violations.empty()) return InvalidFields(violations);
  // The one thing that a spec has and no message of it: for good.
  after->rule = before.rule;
  status = CheckHistory(*after, layout);
  if (!status.ok()) return status;
  return after;
}

}  // namespace

absl::Status UpdateHyperparameters(const v1::UpdateSessionRequest& request,
                                   Session& session,
                                   v1::UpdateSessionResponse* response) {
  absl::Status status = session.CheckNotRewinding();
  if (!status.ok()) return status;
  status = CheckRequestId(request.request_id());
  if (!status.ok()) return status;
  RequestKey key = KeyOf("UpdateSession", request.request_id(), request);
  const auto done = session.done_requests().Find(key);
  if (!done.ok()) return done.status();
  if (done->has_value()) {
    SessionToProto(session, response->mutable_session());
    response->set_first_step(**done);
    response->set_already_applied(true);
    return absl::OkStatus();
  }
  session.done_requests().MakeRoom();
  auto spec = Updated(request, *session.spec(), session.layout());
  if (!spec.ok()) return spec.status();
  status = session.MakeRoomFor(*spec);
  if (!status.ok()) return status;
  const bool restarts = Names(request.update_mask(), kRate) ||
                        Names(request.update_mask(), kSchedule);
  const uint64_t first_step = session.in_turn().progress.step + 1;
  session.Update(*std::move(spec), restarts);
  // Before all that may want memory: it is done.
  session.done_requests().Add({std::move(key), first_step});
  response->set_first_step(first_step);
  SessionToProto(session, response->mutable_session());
  return absl::OkStatus();
}

absl::StatusOr<Work> PlanUpdateSession(ServiceContext& context,
                                       const v1::UpdateSessionRequest& request,
                                       v1::UpdateSessionResponse* response) {
  auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  const std::shared_ptr<Session> updated = *std::move(session);
  return Work{.lane = updated->lane(),
              .answer_bytes = SessionBytes(*updated),
              .part =
                  [&request, response, updated](Worker&) {
                    return UpdateHyperparameters(request, *updated, response);
                  },
              .settle =
                  [&context, updated](auto done) {
                    WhenDurable(context, updated, std::move(done));
                  }};
}

}  // namespace backprop
