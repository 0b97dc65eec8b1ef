// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/optimiser_flags.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/flags/name_table.h"
#include "client/cli/flags/schedule_flags.h"

namespace backprop::cli {
namespace {

using OptimiserKind = v1::Optimiser::KindCase;

constexpr Named<OptimiserKind> kOptimisers[] = {
    {"sgd", OptimiserKind::kSgd},         {"adagrad", OptimiserKind::kAdagrad},
    {"rmsprop", OptimiserKind::kRmsProp}, {"adam", OptimiserKind::kAdam},
    {"lion", OptimiserKind::kLion},
};
constexpr char kAdamW[] = "adamw";
constexpr float kAdamWDecay = 0.01F;  // PyTorch's

// Where none is given.
float UsualRate(OptimiserKind kind) {
  if (kind == OptimiserKind::kLion) return 0.0001F;
  return kind == OptimiserKind::kAdam ? 0.001F : 0.01F;
}

// A setting that not every kind has: its flag, and the field of the kinds that
// have it.
struct OwnSetting {
  const char* name;  // the flag's, without its dashes
  const char* field;
  std::optional<float> OptimiserFlags::*number;
};
constexpr OwnSetting kOwnSettings[] = {
    {"momentum", "momentum", &OptimiserFlags::momentum},
    {"rho", "decay", &OptimiserFlags::rho},
    {"beta1", "beta1", &OptimiserFlags::beta1},
    {"beta2", "beta2", &OptimiserFlags::beta2},
    {"epsilon", "epsilon", &OptimiserFlags::epsilon},
};

// The field of v1.Optimiser that holds this kind. A KindCase is its number.
const google::protobuf::FieldDescriptor& FieldOf(OptimiserKind kind) {
  return *v1::Optimiser::descriptor()->FindFieldByNumber(kind);
}

// Null if the kind has no such setting.
const google::protobuf::FieldDescriptor* FieldOf(OptimiserKind kind,
                                                 const OwnSetting& setting) {
  if (kind == OptimiserKind::KIND_NOT_SET) return nullptr;  // a newer server's
  return FieldOf(kind).message_type()->FindFieldByName(setting.field);
}

// The kind's own message.
google::protobuf::Message& MutableKind(OptimiserKind kind,
                                       v1::Optimiser* optimiser) {
  return *optimiser->GetReflection()->MutableMessage(optimiser, &FieldOf(kind));
}

absl::Status NotOf(const OwnSetting& setting, const v1::Optimiser& optimiser) {
  std::vector<std::string> having;
  for (const auto& [name, kind] : kOptimisers) {
    if (FieldOf(kind, setting) != nullptr) having.emplace_back(name);
  }
  const std::string last = having.back();
  having.pop_back();
  return UsageError(
      absl::StrCat("--", setting.name),
      absl::StrCat("is a setting of ", absl::StrJoin(having, ", "),
                   having.empty() ? "" : " and ", last, "; this optimiser is ",
                   OptimiserName(optimiser)));
}

// Settings that not every kind has.
absl::Status ChangeKindsOwn(const OptimiserFlags& flags,
                            v1::Optimiser* optimiser,
                            google::protobuf::FieldMask* mask) {
  const OptimiserKind kind = optimiser->kind_case();
  for (const OwnSetting& setting : kOwnSettings) {
    const std::optional<float>& number = flags.*setting.number;
    if (!number.has_value()) continue;
    const auto* field = FieldOf(kind, setting);
    if (field == nullptr) return NotOf(setting, *optimiser);
    google::protobuf::Message& own = MutableKind(kind, optimiser);
    own.GetReflection()->SetFloat(&own, field, *number);
    mask->add_paths(
        absl::StrCat("optimiser.", FieldOf(kind).name(), ".", setting.field));
  }
  return absl::OkStatus();
}

// One flag that holds a number.
struct NumberFlag {
  const char* name;
  std::optional<float>* number;
  Check check;
  const char* help;
};

}  // namespace

void AddOptimiserFlags(Command& app, FlagUse use, OptimiserFlags* flags) {
  constexpr char kGroup[] = "Optimiser";
  if (use == FlagUse::kMake) {
    app.add_option("--optimiser", flags->optimiser,
                   absl::StrCat(Choices(kOptimisers), ", or adamw: adam with ",
                                "--decoupled-decay 0.01 [sgd]"))
        ->type_name("NAME")
        ->group(kGroup);
  }
  const NumberFlag numbers[] = {
      {"--learning-rate", &flags->learning_rate, NonZero(),
       use == FlagUse::kMake ? "How far each step moves [0.01; adam: 0.001, "
                               "lion: 0.0001]"
                             : "How far each step moves; a schedule begins "
                               "anew from it"},
      {"--momentum", &flags->momentum, RealNumber(), "sgd: share [0]"},
      {"--rho", &flags->rho, RealNumber(), "rmsprop: decay [0.99]"},
      {"--beta1", &flags->beta1, RealNumber(), "adam and lion [0.9]"},
      {"--beta2", &flags->beta2, RealNumber(), "adam [0.999], lion [0.99]"},
      {"--epsilon", &flags->epsilon, NonZero(),
       "adagrad [1e-10], rmsprop and adam [1e-8]"},
      {"--l2", &flags->l2, RealNumber(), "Adds this times w to gradients [0]"},
      {"--l1", &flags->l1, RealNumber(),
       "Adds this times w's sign to gradients [0]"},
      {"--decoupled-decay", &flags->decoupled_decay, RealNumber(),
       "Takes rate times this times w from each w [0; adamw: 0.01]"},
      {"--clip-norm", &flags->clip_norm, RealNumber(),
       "Longest gradient of a step; 0: any [0]"},
      {"--clip-value", &flags->clip_value, RealNumber(),
       "Largest number in a gradient; 0: any [0]"},
  };
  for (const NumberFlag& flag : numbers) {
    app.add_option(flag.name, *flag.number, flag.help)
        ->check(flag.check)
        ->type_name("NUMBER")
        ->group(kGroup);
  }
  if (use == FlagUse::kMake) {
    app.add_flag("--nesterov", flags->nesterov,
                 "sgd: momentum in Nesterov's form")
        ->group(kGroup);
  }
}

absl::Status ChangeOptimiser(const OptimiserFlags& flags,
                             v1::Optimiser* optimiser,
                             google::protobuf::FieldMask* mask) {
  if (flags.learning_rate.has_value()) {
    optimiser->set_learning_rate(*flags.learning_rate);
    mask->add_paths("optimiser.learning_rate");
  }
  if (flags.l2.has_value()) {
    optimiser->set_l2(*flags.l2);
    mask->add_paths("optimiser.l2");
  }
  if (flags.l1.has_value()) {
    optimiser->set_l1(*flags.l1);
    mask->add_paths("optimiser.l1");
  }
  if (flags.decoupled_decay.has_value()) {
    optimiser->set_decoupled_decay(*flags.decoupled_decay);
    mask->add_paths("optimiser.decoupled_decay");
  }
  if (flags.clip_norm.has_value() || flags.clip_value.has_value()) {
    v1::GradientClipping* clipping = optimiser->mutable_clipping();
    clipping->set_max_norm(flags.clip_norm.value_or(clipping->max_norm()));
    clipping->set_max_value(flags.clip_value.value_or(clipping->max_value()));
    mask->add_paths("optimiser.clipping");
  }
  return ChangeKindsOwn(flags, optimiser, mask);
}

absl::StatusOr<v1::Optimiser> MakeOptimiser(const OptimiserFlags& flags) {
  const bool adamw = flags.optimiser == kAdamW;
  absl::StatusOr<OptimiserKind> kind = OptimiserKind::kSgd;
  if (adamw) {
    kind = OptimiserKind::kAdam;
  } else if (!flags.optimiser.empty()) {
    kind = Choose("--optimiser", kOptimisers, flags.optimiser);
  }
  if (!kind.ok()) {
    return Retold(
        kind.status(),
        absl::StrCat(std::string(kind.status().message()), ", ", kAdamW));
  }
  v1::Optimiser optimiser;
  MutableKind(*kind, &optimiser);
  optimiser.set_learning_rate(UsualRate(*kind));
  if (adamw) optimiser.set_decoupled_decay(kAdamWDecay);
  google::protobuf::FieldMask all_new;
  absl::Status status = ChangeOptimiser(flags, &optimiser, &all_new);
  if (!status.ok()) return status;
  if (!flags.nesterov) return optimiser;
  if (!optimiser.has_sgd() || optimiser.sgd().momentum() == 0) {
    return UsageError("--nesterov", "needs sgd with --momentum above 0");
  }
  optimiser.mutable_sgd()->set_nesterov(true);
  return optimiser;
}

std::string OptimiserName(const v1::Optimiser& optimiser) {
  return std::string(NameOf(kOptimisers, optimiser.kind_case()));
}

std::string OwnNumbers(const v1::Optimiser& optimiser) {
  const OptimiserKind kind = optimiser.kind_case();
  if (kind == OptimiserKind::KIND_NOT_SET) return "";
  const auto& own =
      optimiser.GetReflection()->GetMessage(optimiser, &FieldOf(kind));
  std::string text;
  for (const OwnSetting& setting : kOwnSettings) {
    const auto* field = FieldOf(kind, setting);
    if (field == nullptr) continue;
    const float number = own.GetReflection()->GetFloat(own, field);
    // Where 0 and "not set" are the same, 0 means that it is not there.
    if (number != 0 || field->has_presence()) {
      absl::StrAppend(&text, ", ", setting.name, " ", number);
    }
  }
  if (optimiser.sgd().nesterov()) absl::StrAppend(&text, " (Nesterov's)");
  return text;
}

std::string OptimiserText(const v1::Optimiser& optimiser) {
  std::string text = absl::StrCat(OptimiserName(optimiser), ", learning rate ",
                                  optimiser.learning_rate());
  const std::string schedule = ScheduleText(optimiser.schedule());
  if (!schedule.empty()) absl::StrAppend(&text, ", ", schedule);
  return text;
}

}  // namespace backprop::cli
