// SPDX-License-Identifier: Apache-2.0
#include "server/calls/create_session.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/contract/digest.h"
#include "engine/random/initialiser.h"
#include "server/calls/find_checkpoint.h"
#include "server/calls/fork_spec.h"
#include "server/calls/get_session.h"
#include "server/calls/request_id.h"
#include "server/sessions/rejection.h"
#include "server/sessions/session_table.h"
#include "server/translation/anchor.h"
#include "server/translation/network.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

// Of what must be equal for a request to be the same request. Kept with the
// session, so that it has to be the same in every process.
uint64_t Fingerprint(const v1::CreateSessionRequest& request) {
  const v1::Anchor& initial = request.initial();
  // What is long is not copied.
  v1::Anchor rest;
  rest.set_step(initial.step());
  rest.set_next_offset(initial.next_offset());
  if (initial.has_digest()) rest.set_digest(initial.digest());
  *rest.mutable_standardisation() = initial.standardisation();
  *rest.mutable_continuation() = initial.continuation();
  return DigestOfBytes(absl::StrCat(
      request.spec().SerializeAsString(), "/", request.has_initial(), "/",
      rest.SerializeAsString(), "/", DigestOfBytes(initial.weights()), "/",
      DigestOfBytes(initial.state())));
}

absl::Status CheckRequest(const v1::CreateSessionRequest& request) {
  absl::Status status = CheckRequestId(request.request_id());
  if (!status.ok() || !request.has_fork()) return status;
  status = CheckSessionId(request.fork().session_id(), "fork.session_id");
  if (!status.ok()) return status;
  if (request.has_initial()) {
    return InvalidField("initial",
                        "can't be given with fork, whose origin gives all that "
                        "it holds");
  }
  return absl::OkStatus();
}

// What a fork begins from: as Find and ReadCheckpoint give it.
using Origin = absl::StatusOr<std::shared_ptr<Session>>;

// origin: of a fork from a checkpoint.
absl::StatusOr<SessionTable::Created> CreateFork(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    const RequestKey& key, Origin origin, SessionTable& sessions) {
  if (request.fork().checkpoint().empty()) {
    origin = sessions.Find(request.fork().session_id());
  }
  if (!origin.ok()) return origin.status();
  const auto spec = ForkedSpec(request, **origin);
  if (!spec.ok()) return spec.status();
  const auto layout = LayoutOf(*spec, options.max_session_weights);
  if (!layout.ok()) return layout.status();
  const SessionTable::Plan plan{*spec, *layout, key, (*origin)->id()};
  return sessions.Create(plan, [&](Session& session) {
    session.ForkFrom(**origin, request.fork().with_state());
  });
}

absl::StatusOr<SessionTable::Created> PutBack(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    const RequestKey& key, SessionTable& sessions) {
  auto spec = SpecFromProto(request.spec(), /*weights_given=*/true);
  if (!spec.ok()) return spec.status();
  absl::Status status = TakeOverFromAnchor(request.initial(), &*spec);
  if (!status.ok()) return status;
  const auto layout = LayoutOf(*spec, options.max_session_weights);
  if (!layout.ok()) return layout.status();
  auto standing = StandingFromProto(request.initial(), *spec, *layout);
  if (!standing.ok()) return standing.status();
  return sessions.Create({*spec, *layout, key}, [&](Session& session) {
    GoOnFromAnchor(request.initial(), *std::move(standing), session);
  });
}

absl::StatusOr<SessionTable::Created> CreateAnew(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    const RequestKey& key, SessionTable& sessions) {
  const auto spec = SpecFromProto(request.spec(), /*weights_given=*/false);
  if (!spec.ok()) return spec.status();
  const auto layout = LayoutOf(*spec, options.max_session_weights);
  if (!layout.ok()) return layout.status();
  return sessions.Create({*spec, *layout, key}, [&](Session& session) {
    Initialise(*spec->initialiser, *layout, session.weights());
  });
}

// Makes the session, or finds the one that an equal request made. With
// request.fork, within a turn of the origin's lane, if there is such a session.
absl::StatusOr<SessionTable::Created> MakeSession(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    const Origin& origin, SessionTable& sessions) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  RequestKey key = {request.request_id(), 0};
  // It takes a look at every byte of the weights: only where it is compared.
  if (!key.request_id.empty()) key.fingerprint = Fingerprint(request);
  auto earlier = sessions.FindMade(key);
  if (!earlier.ok()) return earlier.status();
  if (*earlier != nullptr) {
    return SessionTable::Created{*std::move(earlier), false};
  }
  if (request.has_fork()) {
    return CreateFork(options, request, key, origin, sessions);
  }
  if (request.has_initial()) return PutBack(options, request, key, sessions);
  return CreateAnew(options, request, key, sessions);
}

// Reads a fork's origin as it was at the checkpoint. Whether that can be had is
// asked only where the session is yet to be made.
void ReadOrigin(ServiceContext& context, const v1::Fork& fork,
                const std::shared_ptr<Origin>& origin,
                const std::function<void(const absl::Status&)>& done) {
  const auto session = context.sessions.Find(fork.session_id());
  *origin = session;
  if (session.ok()) {
    const auto checkpoint =
        FindCheckpoint(**session, fork.checkpoint(), "fork.checkpoint");
    if (checkpoint.ok()) {
      return ReadPast(context, *session, *checkpoint,
                      [origin, done](Origin past) {
                        *origin = std::move(past);
                        done(absl::OkStatus());
                      });
    }
    *origin = checkpoint.status();
  }
  done(absl::OkStatus());
}

}  // namespace

absl::StatusOr<Work> PlanCreateSession(ServiceContext& context,
                                       const v1::CreateSessionRequest& request,
                                       v1::CreateSessionResponse* response) {
  std::shared_ptr<Lane> lane;  // the origin's; else of its own
  // A net of more layers is refused, so no room is asked for it: whether there
  // is any is not what is wrong with it.
  const int layers = std::min(request.spec().layers_size(), kMostLayers);
  size_t bytes = request.spec().ByteSizeLong() +
                 request.initial().standardisation().ByteSizeLong() +
                 SessionBytes(static_cast<size_t>(layers));
  if (const auto origin = context.sessions.Find(request.fork().session_id());
      request.has_fork() && origin.ok()) {
    lane = (*origin)->lane();
    bytes += SessionBytes(**origin);
  }
  const auto made = std::make_shared<std::shared_ptr<Session>>();
  const auto past = std::make_shared<Origin>();
  Settle begin = nullptr;
  if (!request.fork().checkpoint().empty()) {
    begin = [&context, &request, past](const auto& done) {
      ReadOrigin(context, request.fork(), past, done);
    };
  }
  return Work{
      .lane = std::move(lane),
      .answer_bytes = bytes,
      .part =
          [&context, &request, response, made, past](Worker&) {
            auto created =
                MakeSession(context.options, request, *past, context.sessions);
            if (!created.ok()) return created.status();
            *made = created->session;
            const Session& session = **made;
            if (created->is_new) {
              context.metrics.SessionCreated(session.layout().weight_count());
            }
            SessionToProto(session, response->mutable_session());
            return absl::OkStatus();
          },
      .answer_field = "spec",
      .begin = std::move(begin),
      .settle =
          [&context, made](auto done) {
            WhenDurable(context, *made, std::move(done));
          }};
}

}  // namespace backprop
