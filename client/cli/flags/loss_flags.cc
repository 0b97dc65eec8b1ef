// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/loss_flags.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

// Refuses a flag that means nothing to the spec's loss. Called where nothing
// of it would be left in the request, so that the server could not refuse it.
absl::Status CheckIsOf(const std::vector<v1::Loss>& losses, const char* flag,
                       const v1::SessionSpec& spec) {
  if (std::ranges::find(losses, spec.loss()) != losses.end()) {
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  names.reserve(losses.size());
  for (const v1::Loss loss : losses) names.push_back(LossName(loss));
  return UsageError(
      flag,
      absl::StrCat("is a setting of the loss ", absl::StrJoin(names, " or "),
                   "; this loss is ", LossName(spec.loss())));
}

absl::Status SetClassWeights(const std::string& text, v1::SessionSpec* spec) {
  spec->clear_class_weights();
  if (text == "none") {
    return CheckIsOf({v1::LOSS_CROSS_ENTROPY, v1::LOSS_BINARY_CROSS_ENTROPY},
                     "--class-weights", *spec);
  }
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  for (const std::string& part : parts) {
    float weight = 0;
    if (!absl::SimpleAtof(part, &weight)) {
      return UsageError("--class-weights",
                        absl::StrCat("'", part,
                                     "' is not a number; write one for each "
                                     "output, e.g. 1,2.5,1, or none"));
    }
    spec->add_class_weights(weight);
  }
  return absl::OkStatus();
}

}  // namespace

std::string LossName(v1::Loss loss) {
  return std::string(NameOf(TableOf<v1::Loss>(), loss));
}

void AddLossFlags(Command& app, FlagUse use, LossFlags* flags) {
  constexpr char kGroup[] = "Loss";
  if (use == FlagUse::kMake) {
    app.add_option("--loss", flags->loss,
                   Choices(TableOf<v1::Loss>()) +
                       " [cross-entropy after softmax, else "
                       "half-squared-error]")
        ->type_name("NAME")
        ->group(kGroup);
  }
  app.add_option("--label-smoothing", flags->label_smoothing,
                 "cross-entropy: share of each target spread over all "
                 "classes [0]")
      ->check(RealNumber())
      ->type_name("SHARE")
      ->group(kGroup);
  app.add_option("--class-weights", flags->class_weights,
                 "cross-entropy, binary-cross-entropy: one number for each "
                 "output, comma-separated; none: all 1 [none]")
      ->type_name("NUMBERS")
      ->group(kGroup);
  app.add_option("--huber-delta", flags->huber_delta,
                 "huber: where the square becomes a line [1]")
      ->check(NonZero())
      ->type_name("NUMBER")
      ->group(kGroup);
}

absl::Status ChooseLoss(const LossFlags& flags, v1::SessionSpec* spec) {
  absl::StatusOr<v1::Loss> loss =
      spec->layers().rbegin()->activation() == v1::ACTIVATION_SOFTMAX
          ? v1::LOSS_CROSS_ENTROPY
          : v1::LOSS_HALF_SQUARED_ERROR;
  if (!flags.loss.empty()) {
    loss = Choose("--loss", TableOf<v1::Loss>(), flags.loss);
  }
  if (!loss.ok()) return loss.status();
  spec->set_loss(*loss);
  return absl::OkStatus();
}

absl::Status ChangeLoss(const LossFlags& flags, v1::SessionSpec* spec,
                        google::protobuf::FieldMask* mask) {
  absl::Status status;
  if (flags.label_smoothing.has_value()) {
    if (*flags.label_smoothing == 0) {
      status = CheckIsOf({v1::LOSS_CROSS_ENTROPY}, "--label-smoothing", *spec);
    }
    spec->set_label_smoothing(*flags.label_smoothing);
    mask->add_paths("label_smoothing");
  }
  if (flags.huber_delta.has_value()) {
    // The server reads it for this loss alone, and refuses it for none.
    if (status.ok()) {
      status = CheckIsOf({v1::LOSS_HUBER}, "--huber-delta", *spec);
    }
    spec->set_huber_delta(*flags.huber_delta);
    mask->add_paths("huber_delta");
  }
  if (!status.ok() || flags.class_weights.empty()) return status;
  mask->add_paths("class_weights");
  return SetClassWeights(flags.class_weights, spec);
}

}  // namespace backprop::cli
