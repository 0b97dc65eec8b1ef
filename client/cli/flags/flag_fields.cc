// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/flag_fields.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

struct Row {
  std::string_view field;
  std::string_view flag;
  // What the flag's value calls it; empty: as the field is called.
  std::string_view part = {};
};
constexpr Row kRows[] = {
    {"input.standardisation", "--standardise"},
    {"input.standardisation.learn_samples", "--standardise"},
    {"input.element_type", "--bytes"},
    {"initialiser.kind", "--initialiser"},
    {"initialiser.value", "--initialiser-value"},
    {"initialiser.seed", "--seed"},
    {"dropout_seed", "--seed"},
    {"display_name", "--name"},
    {"durability.mode", "--durability"},
    {"history", "--history-steps"},
    {"history.max_steps", "--history-steps"},
    {"history.max_age", "--history-age"},
    {"history.max_bytes", "--history-bytes"},
    {"layers.delta_form", "--delta-form", "form"},
    {"layers.dropout", "--dropout"},
    {"layers.negative_scale", "--layers", "constant"},
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

constexpr Row kRequestRows[] = {
    {"session_id", "--session"},
    {"fork.session_id", "--session"},
    {"fork.with_state", "--with-state"},
    {"fork.checkpoint", "--from-checkpoint"},
    {"step", "--step"},
};

// "layers[2].size" without the index; *index: 2, or -1 if there is none.
std::string TakeIndex(std::string_view field, int* index) {
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

// Null if none is for that field. No index in `field`.
const Row* FindRow(std::string_view field) {
  for (const Row& row : kRows) {
    if (field == row.field) return &row;
  }
  return nullptr;
}

}  // namespace

std::string WithoutIndex(std::string_view field) {
  int index = 0;
  return TakeIndex(field, &index);
}

std::string FlagOf(std::string_view field) {
  const std::string plain = WithoutIndex(field);
  if (const Row* row = FindRow(plain)) return std::string(row->flag);
  if (absl::StartsWith(plain, "layers.")) return "--layers";
  const std::string last = FlagCase(plain.substr(plain.rfind('.') + 1));
  const bool of_kind =
      absl::StartsWith(plain, kKindOfSchedule) &&
      plain.find('.', sizeof(kKindOfSchedule) - 1) != std::string::npos;
  return absl::StrCat(of_kind ? "--schedule-" : "--", last);
}

std::string FlagOfRequest(std::string_view field) {
  if (field.starts_with(kSpecPrefix)) {
    return FlagOf(field.substr(kSpecPrefix.size()));
  }
  for (const Row& row : kRequestRows) {
    if (field == row.field) return std::string(row.flag);
  }
  return "";
}

std::string PartOf(std::string_view field) {
  if (field.starts_with(kSpecPrefix)) field.remove_prefix(kSpecPrefix.size());
  int index = 0;
  const std::string plain = TakeIndex(field, &index);
  if (index < 0) return "";
  const size_t dot = plain.rfind('.');
  if (dot == std::string::npos) {
    return absl::StrCat("number ", int64_t{index} + 1, " ");
  }
  const Row* const row = FindRow(plain);
  const std::string part = row != nullptr && !row->part.empty()
                               ? std::string(row->part)
                               : FlagCase(plain.substr(dot + 1));
  return absl::StrCat("layer ", int64_t{index} + 1, "'s ", part, " ");
}

}  // namespace backprop::cli
