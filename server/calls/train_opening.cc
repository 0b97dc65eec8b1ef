// SPDX-License-Identifier: Apache-2.0
#include "server/calls/train_opening.h"

#include <utility>

#include "server/sessions/rejection.h"

namespace backprop {
namespace {

bool HoldsSamples(const v1::TrainRequest& request) {
  return !request.inputs().empty() || !request.targets().empty() ||
         request.classes_size() != 0 || request.sample_weights_size() != 0 ||
         request.has_offset() || request.want_digest();
}

}  // namespace

absl::StatusOr<TrainOpening> OpenTraining(const v1::TrainRequest& first,
                                          const SessionTable& sessions) {
  if (first.session_id().empty()) {
    return InvalidField("session_id", "is required in the first message");
  }
  if (HoldsSamples(first)) {
    return InvalidField("inputs",
                        "may be set in the messages after the first, "
                        "which sets session_id and options only");
  }
  auto session = sessions.Find(first.session_id());
  if (!session.ok()) return session.status();
  const auto content =
      AnswerContentFromProto(first.options(), (*session)->layout());
  if (!content.ok()) return content.status();
  absl::Status status = (*session)->AttachWriter();
  if (!status.ok()) return status;
  return TrainOpening{*std::move(session), *content,
                      first.options().coalesce()};
}

void AnswerOpening(const Session& session, v1::TrainResponse* response) {
  const Progress progress = session.progress();
  response->set_message_done(true);
  response->set_base_step(progress.step);
  response->set_step(progress.step);
  response->set_next_offset(progress.next_offset);
}

v1::TrainResponse Goodbye(const Session& session, uint64_t messages) {
  const Progress progress = session.progress();
  v1::TrainResponse goodbye;
  goodbye.set_goodbye(true);
  goodbye.set_message_number(messages);
  goodbye.set_base_step(progress.step);
  goodbye.set_step(progress.step);
  goodbye.set_next_offset(progress.next_offset);
  return goodbye;
}

}  // namespace backprop
