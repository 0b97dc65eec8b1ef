// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/flag_fields.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/flags/command.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

struct Row {
  std::string_view field;
  std::string_view flag;
};
constexpr Row kRows[] = {
    {"input.standardisation", "--standardise"},
    {"input.standardisation.learn_samples", "--standardise"},
    {"input.element_type", "--bytes"},
    {"initialiser.kind", "--initialiser"},
    {"initialiser.value", "--initialiser-value"},
    {"initialiser.seed", "--seed"},
    {"dropout_seed", "--seed"},
    {"layers.delta_form", "--delta-form"},
    {"optimiser", "--optimiser"},
    {"optimiser.rms_prop.decay", "--rho"},
    {"optimiser.clipping.max_norm", "--clip-norm"},
    {"optimiser.clipping.max_value", "--clip-value"},
    {"optimiser.schedule.step.every", "--schedule-steps"},
    {"optimiser.schedule.polynomial.steps", "--schedule-steps"},
    {"optimiser.schedule.polynomial.end_rate", "--schedule-min"},
    {"optimiser.schedule.cosine.period_steps", "--schedule-steps"},
    {"optimiser.schedule.cosine.min_rate", "--schedule-min"},
    {"optimiser.schedule.plateau.window_steps", "--schedule-steps"},
    {"optimiser.schedule.plateau.min_rate", "--schedule-min"},
};
constexpr char kKindOfSchedule[] = "optimiser.schedule.";

// "layers[2].size" without the index; *index: 2, or -1 if there is none.
std::string WithoutIndex(std::string_view field, int* index) {
  *index = -1;
  const size_t open = field.find('[');
  const size_t close = field.find(']', open);
  if (close == std::string_view::npos) return std::string(field);
  if (!absl::SimpleAtoi(std::string(field.substr(open + 1, close - open - 1)),
                        index)) {
    *index = -1;
  }
  return absl::StrCat(std::string(field.substr(0, open)),
                      std::string(field.substr(close + 1)));
}

std::string Dashed(std::string_view name) {
  return absl::StrReplaceAll(std::string(name), {{"_", "-"}});
}

using Options = std::vector<std::string>;

bool Has(const Options& options, const std::string& flag) {
  return std::ranges::find(options, flag) != options.end();
}

// What the flag's value has at fault, if that is one of several things in it:
// "layer 3's size ", "number 2 ".
std::string PartOf(std::string_view field, int index) {
  if (index < 0) return "";
  const size_t dot = field.rfind('.');
  return dot == std::string_view::npos
             ? absl::StrCat("number ", index + 1, " ")
             : absl::StrCat("layer ", index + 1, "'s ",
                            Dashed(field.substr(dot + 1)), " ");
}

// The server's words, with the fields that it names by their flags. A
// schedule's number that was left out reached it as 0, which none is typed as.
std::string Described(const std::string& flag, std::string description) {
  constexpr std::string_view kZero = "is 0;";
  if (absl::StartsWith(flag, "--schedule-") && description.starts_with(kZero)) {
    description.replace(0, kZero.size(), "is not given;");
  }
  return absl::StrReplaceAll(description,
                             {{"batch_size", "--batch-size"},
                              {"learn_samples", "--standardise"},
                              {"learning_rate", "--learning-rate"}});
}

}  // namespace

std::string FlagOf(std::string_view field) {
  int index = 0;
  const std::string plain = WithoutIndex(field, &index);
  for (const Row& row : kRows) {
    if (plain == row.field) return std::string(row.flag);
  }
  const std::string last = Dashed(plain.substr(plain.rfind('.') + 1));
  if (absl::StartsWith(plain, "layers.") && last != "dropout") {
    return "--layers";
  }
  const bool of_kind =
      absl::StartsWith(plain, kKindOfSchedule) &&
      plain.find('.', sizeof(kKindOfSchedule) - 1) != std::string::npos;
  return absl::StrCat(of_kind ? "--schedule-" : "--", last);
}

absl::Status InFlags(const absl::Status& status, const Options& options) {
  std::string first, message;
  for (const FieldViolation& violation : ViolationsOf(status)) {
    constexpr std::string_view kSpec = "spec.";
    std::string_view field = violation.field;
    std::string text =
        absl::StrCat(violation.field, ": ", violation.description);
    if (field.starts_with(kSpec)) {
      field.remove_prefix(kSpec.size());
      int index = 0;
      const std::string plain = WithoutIndex(field, &index);
      std::string flag = FlagOf(field);
      // Where a network is described, a layer's dropout is typed with it.
      if (flag == "--dropout" && !Has(options, flag)) flag = "--layers";
      if (Has(options, flag)) {
        text = absl::StrCat(flag, ": ", PartOf(plain, index),
                            Described(flag, violation.description));
        if (first.empty()) first = flag;
      }
    }
    absl::StrAppend(&message, message.empty() ? "" : "; ", text);
  }
  if (first.empty()) return status;
  const absl::Status usage = UsageError("", message);
  return WithReason(usage, ReasonOf(status));
}

}  // namespace backprop::cli
