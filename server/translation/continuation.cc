// SPDX-License-Identifier: Apache-2.0
#include "server/translation/continuation.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

// Steps and samples that a session may have behind it. Leaves room to count on,
// and is exact in double.
constexpr uint64_t kLargestCount = uint64_t{1} << 53;

SchedulePosition PositionFromProto(const v1::Continuation& proto) {
  SchedulePosition position{.age = proto.schedule_age()};
  if (!proto.has_plateau()) return position;
  const v1::PlateauPosition& from = proto.plateau();
  PlateauPosition& to = position.plateau.emplace();
  to.window_sum = from.window_sum();
  to.window_steps = from.window_steps();
  if (from.has_best()) to.best = from.best();
  to.bad_windows = from.bad_windows();
  to.rate = from.rate();
  return position;
}

template <typename Number>
void CheckColumns(const google::protobuf::RepeatedField<Number>& numbers,
                  const char* name, size_t columns, double least,
                  double largest, Violations& violations) {
  const std::string field =
      absl::StrCat("initial.continuation.learning.", name);
  if (static_cast<size_t>(numbers.size()) != columns) {
    violations.push_back(
        {field, absl::StrCat("holds ", numbers.size(),
                             " numbers; must hold one for each of the ",
                             columns, " inputs")});
    return;
  }
  for (int j = 0; j < numbers.size(); ++j) {
    if (numbers[j] >= least && numbers[j] <= largest) continue;
    violations.push_back({absl::StrCat(field, "[", j, "]"),
                          absl::StrCat("is ", numbers[j], "; must be at least ",
                                       least, " and at most ", largest)});
    return;
  }
}

// Sums of no samples are 0.
void CheckSumsOfNone(const google::protobuf::RepeatedField<double>& sums,
                     const char* name, Violations& violations) {
  const auto other =
      std::ranges::find_if(sums, [](double s) { return s != 0; });
  if (other == sums.end()) return;
  violations.push_back(
      {absl::StrCat("initial.continuation.learning.", name, "[",
                    other - sums.begin(), "]"),
       absl::StrCat("is ", *other, "; must be 0 where samples is 0")});
}

void CheckRanges(const v1::StandardisationSums& proto, Violations& violations) {
  for (int j = 0; j < proto.least_size(); ++j) {
    if (proto.least(j) <= proto.largest(j)) continue;
    violations.push_back(
        {absl::StrCat("initial.continuation.learning.least[", j, "]"),
         absl::StrCat("is ", proto.least(j), "; must be at most largest[", j,
                      "], ", proto.largest(j))});
    return;
  }
}

void LearningFromProto(const v1::StandardisationSums& proto,
                       const SessionSpec& spec, Standing* standing,
                       Violations& violations) {
  constexpr char kField[] = "initial.continuation.learning";
  if (!AwaitsStandardisation(spec)) {
    violations.push_back({kField,
                          "is set, but the session has nothing to learn: "
                          "leave it out"});
    return;
  }
  // Whole steps' samples, as messages bring them.
  if (proto.samples() >= spec.learn_samples ||
      proto.samples() % spec.batch_size != 0) {
    violations.push_back(
        {absl::StrCat(kField, ".samples"),
         absl::StrCat("is ", proto.samples(), "; must be less than the spec's ",
                      "learn_samples, ", spec.learn_samples,
                      ", and a multiple of batch_size ", spec.batch_size)});
  }
  const size_t columns = spec.network.input_size;
  constexpr double kLargestMean = std::numeric_limits<float>::max();
  CheckColumns(proto.mean(), "mean", columns, -kLargestMean, kLargestMean,
               violations);
  CheckColumns(proto.spread(), "spread", columns, 0,
               std::numeric_limits<double>::max(), violations);
  const size_t ranges = proto.samples() == 0 ? 0 : columns;
  CheckColumns(proto.least(), "least", ranges, -kLargestMean, kLargestMean,
               violations);
  CheckColumns(proto.largest(), "largest", ranges, -kLargestMean, kLargestMean,
               violations);
  if (!violations.empty()) return;
  if (proto.samples() == 0) {
    CheckSumsOfNone(proto.mean(), "mean", violations);
    CheckSumsOfNone(proto.spread(), "spread", violations);
  }
  CheckRanges(proto, violations);
  if (!violations.empty()) return;
  standing->standardiser.emplace(
      StandardiserSums{proto.samples(),
                       {proto.mean().begin(), proto.mean().end()},
                       {proto.spread().begin(), proto.spread().end()},
                       {proto.least().begin(), proto.least().end()},
                       {proto.largest().begin(), proto.largest().end()}},
      LeastDeviation(spec.input, spec.min_deviation));
}

}  // namespace

void CheckCount(uint64_t count, const char* field, Violations& violations) {
  if (count <= kLargestCount) return;
  violations.push_back({absl::StrCat("initial.", field),
                        absl::StrCat("is ", count, "; must be at most 2^53")});
}

void ContinuationFromProto(const v1::Continuation& proto,
                           const SessionSpec& spec, Standing* standing,
                           Violations& violations) {
  CheckCount(proto.state_age(), "continuation.state_age", violations);
  CheckCount(proto.schedule_age(), "continuation.schedule_age", violations);
  if (!violations.empty()) return;
  standing->state_age = proto.state_age();
  standing->schedule = PositionFromProto(proto);
  for (FieldViolation& fault : Validate(standing->schedule, spec.schedule)) {
    fault.field.insert(0, "initial.continuation.");
    violations.push_back(std::move(fault));
  }
  if (proto.has_learning()) {
    LearningFromProto(proto.learning(), spec, standing, violations);
  }
}

void ContinuationToProto(const Standing& standing, const SessionSpec& spec,
                         bool with_learning, v1::Continuation* proto) {
  proto->set_state_age(standing.state_age);
  proto->set_schedule_age(standing.schedule.age);
  proto->set_rule(static_cast<v1::Rule>(spec.rule));
  if (standing.schedule.plateau.has_value()) {
    const PlateauPosition& from = *standing.schedule.plateau;
    v1::PlateauPosition& to = *proto->mutable_plateau();
    to.set_window_sum(from.window_sum);
    to.set_window_steps(from.window_steps);
    if (from.best.has_value()) to.set_best(*from.best);
    to.set_bad_windows(from.bad_windows);
    to.set_rate(from.rate);
  }
  if (with_learning && standing.standardiser.has_value()) {
    const StandardiserSums& from = standing.standardiser->sums();
    v1::StandardisationSums& to = *proto->mutable_learning();
    to.set_samples(from.samples);
    to.mutable_mean()->Add(from.mean.begin(), from.mean.end());
    to.mutable_spread()->Add(from.spread.begin(), from.spread.end());
    if (from.samples == 0) return;
    to.mutable_least()->Add(from.least.begin(), from.least.end());
    to.mutable_largest()->Add(from.largest.begin(), from.largest.end());
  }
}

}  // namespace backprop
