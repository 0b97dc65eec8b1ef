// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/spec_flags.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags/layer_text.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

constexpr Named<v1::DeltaForm> kDeltaForms[] = {
    {"auto", v1::DELTA_FORM_UNSPECIFIED},
    {"factored", v1::DELTA_FORM_FACTORED},
    {"dense", v1::DELTA_FORM_DENSE},
};
constexpr char kNetworkGroup[] = "Network";
constexpr char kStepsGroup[] = "Steps";

std::vector<std::string> DefaultLayers(const DataShape& data) {
  return {"128:relu", absl::StrCat(std::max(data.output_size, 1U),
                                   data.regression ? ":identity" : ":softmax")};
}

absl::Status SetLayers(const SpecFlags& flags, const DataShape& data,
                       v1::SessionSpec* spec) {
  if (flags.layers.empty() && data.output_size == 0) {
    return UsageError("--layers", "say what to make, e.g. 128:relu,10:softmax");
  }
  for (const std::string& text :
       flags.layers.empty() ? DefaultLayers(data) : flags.layers) {
    absl::StatusOr<v1::Layer> layer = ParseLayer(text);
    if (!layer.ok()) return layer.status();
    *spec->add_layers() = *layer;
  }
  const auto forms = static_cast<int>(flags.delta_form.size());
  if (forms > 1 && forms != spec->layers_size()) {
    return UsageError(
        "--delta-form",
        absl::StrCat("names ", forms, " forms for ", spec->layers_size(),
                     " layers: give one, or one a layer"));
  }
  for (int k = 0; forms > 0 && k < spec->layers_size(); ++k) {
    absl::StatusOr<v1::DeltaForm> form = Choose(
        "--delta-form", kDeltaForms, flags.delta_form[forms == 1 ? 0 : k]);
    if (!form.ok()) return form.status();
    spec->mutable_layers(k)->set_delta_form(*form);
  }
  return absl::OkStatus();
}

absl::Status SetStandardise(const SpecFlags& flags, const DataShape& data,
                            v1::SessionSpec* spec) {
  if (flags.standardise.empty()) {
    return flags.min_deviation.has_value()
               ? UsageError("--min-deviation", "is for --standardise")
               : absl::OkStatus();
  }
  uint64_t samples = data.samples / flags.batch_size * flags.batch_size;
  const bool all = flags.standardise == "all";
  if (all && data.samples == 0) {
    return UsageError("--standardise",
                      "say how many samples to learn from, e.g. 1000");
  }
  // Its validator has seen to it that it is a number.
  if (!all) samples = std::stoull(flags.standardise);
  if (data.samples > 0 && samples > data.samples) {
    return UsageError("--standardise",
                      absl::StrCat("the data has ", data.samples,
                                   " samples to learn from: give that many at "
                                   "most"));
  }
  v1::Standardisation* standardisation =
      spec->mutable_input()->mutable_standardisation();
  standardisation->set_learn_samples(samples);
  standardisation->set_min_deviation(flags.min_deviation.value_or(0));
  return absl::OkStatus();
}

absl::Status SetOptimiser(const SpecFlags& flags, const DataShape& data,
                          v1::SessionSpec* spec) {
  absl::StatusOr<v1::Optimiser> optimiser = MakeOptimiser(flags.optimiser);
  if (!optimiser.ok()) return optimiser.status();
  absl::StatusOr<v1::Schedule> schedule =
      MakeSchedule(flags.schedule, data.train_samples / flags.batch_size);
  if (!schedule.ok()) return schedule.status();
  *spec->mutable_optimiser() = *std::move(optimiser);
  if (flags.schedule.given()) {
    *spec->mutable_optimiser()->mutable_schedule() = *std::move(schedule);
  }
  return absl::OkStatus();
}

Check AllOrCount() {
  return [](const std::string& text) -> std::string {
    uint64_t number = 0;
    return text == "all" || (absl::SimpleAtoi(text, &number) && number > 0 &&
                             text[0] != '+')
               ? ""
               : absl::StrCat("'", text,
                              "' is not a number of samples, nor 'all'");
  };
}

void AddStandardise(Command& app, SpecFlags* flags, bool has_data) {
  app.add_option("--standardise", flags->standardise,
                 absl::StrCat("Bring each input to mean 0 and deviation 1, as "
                              "learnt from so many samples before training",
                              has_data ? "; without a number: from all "
                                         "training data, once"
                                       : ""))
      ->check(AllOrCount())
      ->expected(0, 1)
      ->default_str("all")
      ->option_text(has_data ? "COUNT=all" : "COUNT")
      ->group(kNetworkGroup);
}

void AddNetworkFlags(Command& app, SpecFlags* flags, const SpecHelp& help) {
  app.add_option("--layers", flags->layers, LayerHelp())
      ->type_name("LAYERS")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(kNetworkGroup);
  AddInitialiserFlags(app, kNetworkGroup, &flags->initialiser);
  AddStandardise(app, flags, help.has_data);
  app.add_option("--min-deviation", flags->min_deviation,
                 "--standardise: the least deviation that an input is taken to "
                 "have [1/64 of its range]")
      ->check(RealNumber())
      ->type_name("NUMBER")
      ->group(kNetworkGroup);
  app.add_option("--delta-form", flags->delta_form,
                 "How weight deltas travel: " + Choices(kDeltaForms) +
                     "; for all layers, or one a layer, comma-separated [auto]")
      ->type_name("FORM")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(kNetworkGroup);
}

}  // namespace

void AddSpecFlags(Command& app, SpecFlags* flags, const SpecHelp& help) {
  constexpr uint64_t kMost32 = std::numeric_limits<uint32_t>::max();
  app.add_option(
         "--name", flags->name,
         absl::StrCat("What people call the session; others may share it [",
                      flags->name.empty() ? "none" : flags->name, "]"))
      ->type_name("TEXT")
      ->group(kNetworkGroup);
  AddNetworkFlags(app, flags, help);
  AddLossFlags(app, FlagUse::kMake, &flags->loss);
  AddOptimiserFlags(app, FlagUse::kMake, &flags->optimiser);
  AddScheduleFlags(app, &flags->schedule);
  app.add_option("--batch-size", flags->batch_size, "Samples a step")
      ->check(WholeNumber(1, kMost32))
      ->type_name("COUNT")
      ->capture_default_str()
      ->group(kStepsGroup);
  app.add_option("--digest-every", flags->digest_every,
                 "Steps between digests [the server's choice]")
      ->check(WholeNumber(1, kMost32))
      ->type_name("STEPS")
      ->group(kStepsGroup);
  app.add_option("--seed", flags->seed, help.seed)
      ->check(WholeNumber(0, std::numeric_limits<uint64_t>::max()))
      ->type_name("NUMBER")
      ->capture_default_str()
      ->group(kStepsGroup);
  AddKeepingFlags(app, &flags->keeping);
}

std::string FirstSpecFlag(const Command& app) {
  SpecFlags flags;
  Command spec_flags;
  AddSpecFlags(spec_flags, &flags);
  for (const std::string& name : app.given_of(spec_flags)) {
    if (name != "--seed") return name;
  }
  return "";
}

absl::StatusOr<v1::SessionSpec> MakeSpec(const SpecFlags& flags,
                                         const DataShape& data) {
  v1::SessionSpec spec;
  spec.set_input_size(data.input_size);
  *spec.mutable_input() = data.format;
  spec.set_batch_size(flags.batch_size);
  spec.set_digest_every(flags.digest_every);
  spec.set_dropout_seed(flags.seed);
  spec.set_display_name(flags.name);
  absl::Status status = SetLayers(flags, data, &spec);
  if (status.ok()) {
    status = SetInitialiser(flags.initialiser, flags.seed, &spec);
  }
  if (status.ok()) status = SetStandardise(flags, data, &spec);
  if (status.ok()) status = ChooseLoss(flags.loss, &spec);
  google::protobuf::FieldMask all_new;
  if (status.ok()) status = ChangeLoss(flags.loss, &spec, &all_new);
  if (status.ok()) status = SetOptimiser(flags, data, &spec);
  if (status.ok()) status = SetKeeping(flags.keeping, &spec);
  if (!status.ok()) return status;
  return spec;
}

}  // namespace backprop::cli
