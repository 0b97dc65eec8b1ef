// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/live_flags.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/keeping_flags.h"

namespace backprop::cli {
namespace {

absl::Status ChangeDropout(const std::vector<float>& dropout,
                           v1::SessionSpec* spec) {
  const int hidden = spec->layers_size() - 1;  // the output drops nothing
  const auto given = static_cast<int>(dropout.size());
  if (hidden < 1) {
    return UsageError("--dropout", "the network has no layer to drop from");
  }
  if (given != 1 && given != hidden) {
    return UsageError("--dropout",
                      absl::StrCat("names ", given, " shares for ", hidden,
                                   " layers before the output: give one, or "
                                   "one a layer"));
  }
  for (int k = 0; k < hidden; ++k) {
    spec->mutable_layers(k)->set_dropout(dropout[given == 1 ? 0 : k]);
  }
  return absl::OkStatus();
}

}  // namespace

void AddLiveFlags(Command& app, LiveFlags* flags) {
  constexpr uint64_t kMost32 = std::numeric_limits<uint32_t>::max();
  AddOptimiserFlags(app, FlagUse::kChange, &flags->optimiser);
  AddScheduleFlags(app, &flags->schedule);
  AddLossFlags(app, FlagUse::kChange, &flags->loss);
  app.add_option("--dropout", flags->dropout,
                 "Share of outputs dropped in training: for all layers before "
                 "the output, or one a layer, comma-separated")
      ->check(RealNumber())
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("SHARE")
      ->group("Network");
  app.add_option("--digest-every", flags->digest_every, "Steps between digests")
      ->check(WholeNumber(1, kMost32))
      ->type_name("STEPS")
      ->group("Network");
  app.add_option("--name", flags->name,
                 "What people call the session; '' takes its name away")
      ->type_name("TEXT")
      ->group("Network");
  AddExpireAfter(app, "0 or '': never", &flags->expire_after);
  AddHistoryFlags(app, &flags->history);
}

std::vector<std::string> GivenLiveFlags(const Command& app) {
  LiveFlags flags;
  Command live_flags;
  AddLiveFlags(live_flags, &flags);
  return app.given_of(live_flags);
}

absl::Status ChangeSpec(const LiveFlags& flags, v1::SessionSpec* spec,
                        google::protobuf::FieldMask* mask) {
  absl::Status status =
      ChangeOptimiser(flags.optimiser, spec->mutable_optimiser(), mask);
  if (status.ok()) status = ChangeLoss(flags.loss, spec, mask);
  if (!status.ok()) return status;
  if (flags.schedule.given()) {
    absl::StatusOr<v1::Schedule> schedule = MakeSchedule(flags.schedule, 0);
    if (!schedule.ok()) return schedule.status();
    *spec->mutable_optimiser()->mutable_schedule() = *std::move(schedule);
    mask->add_paths("optimiser.schedule");
  }
  if (!flags.dropout.empty()) {
    status = ChangeDropout(flags.dropout, spec);
    if (!status.ok()) return status;
    mask->add_paths("layers.dropout");
  }
  if (flags.digest_every > 0) {
    spec->set_digest_every(flags.digest_every);
    mask->add_paths("digest_every");
  }
  if (flags.name.has_value()) {
    spec->set_display_name(*flags.name);
    mask->add_paths("display_name");
  }
  if (flags.expire_after.has_value()) {
    SetExpireAfter(*flags.expire_after, spec);
    mask->add_paths("expire_after");
  }
  if (flags.history.given()) {
    SetHistory(flags.history, spec);
    mask->add_paths("history");
  }
  return absl::OkStatus();
}

}  // namespace backprop::cli
