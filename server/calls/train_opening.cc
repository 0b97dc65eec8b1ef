// SPDX-License-Identifier: Apache-2.0
#include "server/calls/train_opening.h"

#include <utility>

#include "server/sessions/rejection.h"

namespace backprop {
namespace {

bool HoldsSamples(const v1::TrainRequest& request) {
  return !request.inputs().empty() || !request.targets().empty() ||
         request.classes_size() != 0 || request.sample_weights_size() != 0 ||
         request.has_offset() || request.want_digest() ||
         request.received_offset() != 0;
}

// Whether the stream's replica has to begin anew.
bool MustResync(const v1::TrainRequest& first, const Session& session) {
  return first.has_replica() &&
         !MayGoOn(session.epochs(), first.replica().epoch(),
                  first.replica().step());
}

absl::Status Attach(const ServiceContext& context, bool takes_over,
                    Session& session, const std::shared_ptr<Writer>& writer) {
  if (!takes_over) return session.AttachWriter(writer);
  auto replaced = session.TakeOver(writer);
  if (!replaced.ok()) return replaced.status();
  if (*replaced != nullptr) {
    context.pool.Submit([replaced = *std::move(replaced)](Worker&) {
      replaced->HearOfReplacement();
    });
  }
  return absl::OkStatus();
}

// A response of no steps.
v1::TrainResponse PresentOf(const Session& session) {
  const SessionMoment moment = session.moment();
  v1::TrainResponse response;
  response.set_base_step(moment.progress.step);
  response.set_step(moment.progress.step);
  response.set_next_offset(moment.progress.next_offset);
  response.set_epoch(session.epoch());
  response.set_durable_step(moment.durable.step);
  response.set_durable_offset(moment.durable.next_offset);
  return response;
}

}  // namespace

absl::StatusOr<TrainOpening> OpenTraining(
    ServiceContext& context, const v1::TrainRequest& first,
    const std::shared_ptr<Writer>& writer) {
  if (first.session_id().empty()) {
    return InvalidField("session_id", "is required in the first message");
  }
  if (HoldsSamples(first)) {
    return InvalidField("inputs",
                        "may be set in the messages after the first, "
                        "which sets session_id, options, replica and "
                        "takeover only");
  }
  auto session = context.sessions.Find(first.session_id());
  if (!session.ok()) return session.status();
  const auto content =
      AnswerContentFromProto(first.options(), (*session)->layout());
  if (!content.ok()) return content.status();
  absl::Status status = Attach(context, first.takeover(), **session, writer);
  if (!status.ok()) return status;
  const bool resync = MustResync(first, **session);
  HeldRoom held;
  if (first.options().hold_answers()) {
    held = {context.options.max_held_bytes, &context.held_bytes};
  }
  return TrainOpening{.session = *std::move(session),
                      .content = *content,
                      .held = held,
                      .coalesce = first.options().coalesce(),
                      .tell_durable = first.options().tell_durable(),
                      .resync = resync};
}

void AnswerOpening(const Session& session, bool resync,
                   v1::TrainResponse* response) {
  *response = PresentOf(session);
  response->set_message_done(true);
  response->set_resync(resync);
}

std::optional<v1::TrainResponse> DurableNews(const Session& session,
                                             const v1::TrainResponse& last) {
  const Progress durable = session.durable();
  if (durable.step <= last.durable_step() &&
      durable.next_offset <= last.durable_offset()) {
    return std::nullopt;
  }
  v1::TrainResponse news;
  news.set_durable_news(true);
  news.set_message_number(last.message_number());
  news.set_base_step(last.step());
  news.set_step(last.step());
  news.set_next_offset(last.next_offset());
  news.set_epoch(last.epoch());
  news.set_durable_step(durable.step);
  news.set_durable_offset(durable.next_offset);
  return news;
}

v1::TrainResponse Goodbye(const Session& session, uint64_t messages) {
  v1::TrainResponse goodbye = PresentOf(session);
  goodbye.set_goodbye(true);
  goodbye.set_message_number(messages);
  return goodbye;
}

}  // namespace backprop
