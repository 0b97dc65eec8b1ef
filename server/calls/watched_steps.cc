// SPDX-License-Identifier: Apache-2.0
#include "server/calls/watched_steps.h"

#include <memory>
#include <new>
#include <string>

#include "backprop/v1/training_service.pb.h"
#include "server/sessions/delta_feed.h"
#include "server/translation/input.h"
#include "server/translation/number_bytes.h"

namespace backprop {
namespace {

void AddSteps(const Session& session, const WatchedSteps& watched,
              v1::WatchDeltasResponse* response) {
  const Layout& layout = session.layout();
  const TrainRun& run = *watched.run;
  const size_t steps = watched.steps;
  response->mutable_errors()->Add(run.errors.begin(),
                                  run.errors.begin() + steps);
  SetNumbers(run.deltas.first(steps * layout.delta_row_length()),
             response->mutable_deltas());
  const size_t scalars = layout.scalar_count();
  SetScalars(run.scalars.first(steps * scalars), scalars,
             response->mutable_scalars());
  if (layout.layers().front().form == DeltaForm::kDense) return;
  response->set_inputs(watched.inputs.data(), watched.inputs.size());
  response->set_inputs_are_values(watched.inputs_are_values);
}

void Tell(Session& session, const WatchedSteps& watched,
          const Progress& progress) {
  v1::WatchDeltasResponse response;
  response.set_base_step(progress.step - watched.steps);
  response.set_step(progress.step);
  response.set_next_offset(progress.next_offset);
  response.set_epoch(session.epoch());
  if (watched.steps > 0) AddSteps(session, watched, &response);
  if (watched.outcome != nullptr) {
    for (const DigestAt& digest : watched.outcome->digests) {
      v1::StepDigest* added = response.add_digests();
      added->set_step(digest.step);
      added->set_digest(digest.digest);
    }
  }
  if (watched.learnt_standardisation) {
    StandardisationToProto(*session.in_turn().spec,
                           response.mutable_standardisation());
  }
  const auto message = std::make_shared<std::string>();
  // Beyond 2 GiB there is no message.
  if (!response.SerializeToString(message.get())) throw std::bad_alloc();
  session.feed().Append({response.base_step(), response.step(), message});
}

}  // namespace

void TellOfSteps(Session& session, const WatchedSteps& watched) {
  if (watched.steps > 0) {
    const Layout& layout = session.layout();
    session.Record({.rows = watched.run->deltas.first(
                        watched.steps * layout.delta_row_length()),
                    .scalars = watched.run->scalars.first(
                        watched.steps * layout.scalar_count()),
                    .inputs = watched.inputs,
                    .inputs_are_values = watched.inputs_are_values},
                   watched.run->errors.first(watched.steps));
  }
  if (!session.feed().Wanted(DeltaFeed::Clock::now())) return;
  const Progress progress = session.in_turn().progress;
  try {
    Tell(session, watched, progress);
  } catch (const std::bad_alloc&) {
    // The steps are done and their trainer has to hear of them.
    session.feed().Lose(progress.step);
  }
}

}  // namespace backprop
