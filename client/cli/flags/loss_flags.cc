// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/loss_flags.h"

#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

absl::Status NotOf(const char* flag, const char* only,
                   const v1::SessionSpec& spec) {
  return UsageError(
      flag, absl::StrCat("is a setting of the loss ", only, "; this loss is ",
                         LossName(spec.loss())));
}

absl::Status SetClassWeights(const std::string& text, v1::SessionSpec* spec) {
  spec->clear_class_weights();
  if (text == "none") return absl::OkStatus();
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  for (const std::string& part : parts) {
    float weight = 0;
    if (!absl::SimpleAtof(part, &weight) || !std::isfinite(weight) ||
        weight < 0)
      return UsageError("--class-weights",
                        absl::StrCat("'", part,
                                     "' is not a number from 0 on; write one "
                                     "for each output, e.g. 1,2.5,1, or none"));
    spec->add_class_weights(weight);
  }
  const int outputs = spec->layers_size() == 0
                          ? 0
                          : static_cast<int>(spec->layers().rbegin()->size());
  if (spec->class_weights_size() != outputs)
    return UsageError("--class-weights",
                      absl::StrCat("has ", spec->class_weights_size(),
                                   " numbers, the network has ", outputs,
                                   " outputs: write one for each"));
  return absl::OkStatus();
}

}  // namespace

std::string LossName(v1::Loss loss) {
  return std::string(NameOf(TableOf<v1::Loss>(), loss));
}

void AddLossFlags(Command& app, FlagUse use, LossFlags* flags) {
  constexpr char kGroup[] = "Loss";
  if (use == FlagUse::kMake)
    app.add_option("--loss", flags->loss,
                   Choices(TableOf<v1::Loss>()) +
                       " [cross-entropy after softmax, else "
                       "half-squared-error]")
        ->type_name("NAME")
        ->group(kGroup);
  app.add_option("--label-smoothing", flags->label_smoothing,
                 "cross-entropy: share of each target spread over all "
                 "classes [0]")
      ->check(ShareBelowOne())
      ->type_name("SHARE")
      ->group(kGroup);
  app.add_option("--class-weights", flags->class_weights,
                 "cross-entropy, binary-cross-entropy: one number for each "
                 "output, comma-separated; none: all 1 [none]")
      ->type_name("NUMBERS")
      ->group(kGroup);
  app.add_option("--huber-delta", flags->huber_delta,
                 "huber: where the square becomes a line [1]")
      ->check(AboveZero())
      ->type_name("NUMBER")
      ->group(kGroup);
}

absl::Status ChooseLoss(const LossFlags& flags, v1::SessionSpec* spec) {
  absl::StatusOr<v1::Loss> loss =
      spec->layers().rbegin()->activation() == v1::ACTIVATION_SOFTMAX
          ? v1::LOSS_CROSS_ENTROPY
          : v1::LOSS_HALF_SQUARED_ERROR;
  if (!flags.loss.empty())
    loss = Choose("--loss", TableOf<v1::Loss>(), flags.loss);
  if (!loss.ok()) return loss.status();
  spec->set_loss(*loss);
  return absl::OkStatus();
}

absl::Status ChangeLoss(const LossFlags& flags, v1::SessionSpec* spec,
                        google::protobuf::FieldMask* mask) {
  const v1::Loss loss = spec->loss();
  if (flags.label_smoothing.has_value()) {
    if (loss != v1::LOSS_CROSS_ENTROPY)
      return NotOf("--label-smoothing", "cross-entropy", *spec);
    spec->set_label_smoothing(*flags.label_smoothing);
    mask->add_paths("label_smoothing");
  }
  if (flags.huber_delta.has_value()) {
    if (loss != v1::LOSS_HUBER) return NotOf("--huber-delta", "huber", *spec);
    spec->set_huber_delta(*flags.huber_delta);
    mask->add_paths("huber_delta");
  }
  if (flags.class_weights.empty()) return absl::OkStatus();
  if (loss != v1::LOSS_CROSS_ENTROPY && loss != v1::LOSS_BINARY_CROSS_ENTROPY)
    return NotOf("--class-weights", "cross-entropy and binary-cross-entropy",
                 *spec);
  mask->add_paths("class_weights");
  return SetClassWeights(flags.class_weights, spec);
}

}  // namespace backprop::cli
