// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/spec_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/flags/initialiser_flags.h"
#include "client/cli/flags/loss_flags.h"
#include "client/cli/flags/optimiser_flags.h"
#include "client/cli/flags/schedule_flags.h"
#include "client/cli/text/number_text.h"

namespace backprop::cli {
namespace {

// More class weights than this are not listed.
constexpr int kMostListed = 10;

std::string Steps(uint64_t count) {
  return absl::StrCat(Grouped(count), count == 1 ? " step" : " steps");
}

std::string CosineText(const v1::CosineDecay& cosine) {
  std::string text = absl::StrCat(", period of ", Steps(cosine.period_steps()),
                                  ", down to ", cosine.min_rate());
  if (cosine.restarts()) absl::StrAppend(&text, ", with restarts");
  if (cosine.restarts() && cosine.period_factor() > 1) {
    absl::StrAppend(&text, ", each period ", cosine.period_factor(),
                    " times as long");
  }
  return text;
}

std::string PlateauText(const v1::ReduceOnPlateau& plateau) {
  return absl::StrCat(", times ", plateau.factor(), " after more than ",
                      plateau.patience(), " windows of ",
                      Steps(plateau.window_steps()), " without a gain of ",
                      plateau.threshold(), ", down to ", plateau.min_rate());
}

std::string KindNumbers(const v1::Schedule& schedule) {
  switch (schedule.kind_case()) {
    case v1::Schedule::kStep:
      return absl::StrCat(", times ", schedule.step().factor(), " every ",
                          Steps(schedule.step().every()));
    case v1::Schedule::kExponential:
      return absl::StrCat(", times ", schedule.exponential().factor(),
                          " each step");
    case v1::Schedule::kPolynomial:
      return absl::StrCat(", to ", schedule.polynomial().end_rate(), " in ",
                          Steps(schedule.polynomial().steps()), ", power ",
                          schedule.polynomial().power());
    case v1::Schedule::kInverseTime:
      return absl::StrCat(", divided by 1 + ", schedule.inverse_time().rate(),
                          " a after a steps");
    case v1::Schedule::kCosine:
      return CosineText(schedule.cosine());
    case v1::Schedule::kPlateau:
      return PlateauText(schedule.plateau());
    default:
      return "";
  }
}

}  // namespace

std::string OptimiserNumbers(const v1::Optimiser& optimiser) {
  return absl::StrCat(OptimiserName(optimiser), ", learning rate ",
                      optimiser.learning_rate(), OwnNumbers(optimiser));
}

std::string DecayText(const v1::Optimiser& optimiser) {
  std::vector<std::string> parts;
  if (optimiser.l2() > 0) parts.push_back(absl::StrCat("l2 ", optimiser.l2()));
  if (optimiser.l1() > 0) parts.push_back(absl::StrCat("l1 ", optimiser.l1()));
  if (optimiser.decoupled_decay() > 0) {
    parts.push_back(absl::StrCat("decoupled ", optimiser.decoupled_decay()));
  }
  return absl::StrJoin(parts, ", ");
}

std::string ClippingText(const v1::GradientClipping& clipping) {
  std::vector<std::string> parts;
  if (clipping.max_norm() > 0) {
    parts.push_back(absl::StrCat("norm ", clipping.max_norm()));
  }
  if (clipping.max_value() > 0) {
    parts.push_back(absl::StrCat("each number ", clipping.max_value()));
  }
  return absl::StrJoin(parts, ", ");
}

std::string ScheduleNumbers(const v1::Schedule& schedule) {
  std::string text =
      absl::StrCat(ScheduleName(schedule), KindNumbers(schedule));
  if (schedule.warmup_steps() > 0) {
    absl::StrAppend(&text, "; warm-up of ", Steps(schedule.warmup_steps()));
  }
  return text;
}

std::string LossNumbers(const v1::SessionSpec& spec) {
  std::string text = LossName(spec.loss());
  if (spec.loss() == v1::LOSS_HUBER) {
    absl::StrAppend(&text, ", delta ", spec.huber_delta());
  }
  if (spec.label_smoothing() > 0) {
    absl::StrAppend(&text, ", label smoothing ", spec.label_smoothing());
  }
  const int weights = spec.class_weights_size();
  if (weights > kMostListed) {
    absl::StrAppend(&text, ", ", Grouped(weights), " class weights");
  } else if (weights > 0) {
    absl::StrAppend(&text, ", class weights ",
                    absl::StrJoin(spec.class_weights(), ","));
  }
  return text;
}

std::string InitialiserText(const v1::SessionSpec& spec) {
  if (!spec.has_initialiser()) return "given weights";
  std::string text = InitialiserName(spec.initialiser().kind());
  if (spec.initialiser().value() != 0) {
    absl::StrAppend(&text, " ", spec.initialiser().value());
  }
  return absl::StrCat(text, ", seed ", spec.initialiser().seed());
}

std::string InputText(const v1::SessionSpec& spec) {
  const v1::InputFormat& format = spec.input();
  std::string text = absl::StrCat(
      Grouped(spec.input_size()),
      format.element_type() == v1::ELEMENT_TYPE_UINT8 ? " bytes" : " floats");
  if (format.scale() != 0 && format.scale() != 1) {
    absl::StrAppend(&text, " times ", format.scale());
  }
  if (!format.has_standardisation()) return text;
  const v1::Standardisation& standardisation = format.standardisation();
  const uint64_t learn = standardisation.learn_samples();
  if (learn == 0) return absl::StrCat(text, ", standardised by given numbers");
  return standardisation.mean().empty()
             ? absl::StrCat(text, ", to be standardised as the first ",
                            Grouped(learn), " samples will be")
             : absl::StrCat(text, ", standardised as the first ",
                            Grouped(learn), " samples were");
}

}  // namespace backprop::cli
