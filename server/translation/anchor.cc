// SPDX-License-Identifier: Apache-2.0
#include "server/translation/anchor.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/contract/digest.h"
#include "server/sessions/rejection.h"
#include "server/translation/continuation.h"
#include "server/translation/input.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

// fl(w + D) = w from there on, so no session's weight is larger.
constexpr StateRange kWeights{-0x1p121F, 0x1p121F};

// Of the state vectors, in the order of delta.proto (7).
std::vector<StateRange> StateRanges(Rule rule) {
  return ForRule(rule, [](auto r) {
    return std::vector<StateRange>(r.kState.begin(), r.kState.end());
  });
}

float NumberAt(std::string_view bytes, size_t index) {
  float number = 0;
  std::memcpy(&number, bytes.data() + index * sizeof(float), sizeof(float));
  return number;
}

// Numbers first … first + count − 1. The first fault only.
absl::Status CheckNumbers(const char* field, std::string_view bytes,
                          size_t first, size_t count, StateRange range) {
  for (size_t i = first; i < first + count; ++i) {
    const float number = NumberAt(bytes, i);
    if (number >= range.least && number <= range.largest) continue;  // no NaN
    return InvalidField(
        field, absl::StrCat("number ", i, " is ", number, "; must be at least ",
                            range.least, " and at most ", range.largest,
                            ", as every session's is"));
  }
  return absl::OkStatus();
}

absl::Status CheckWeights(const v1::Anchor& anchor, const Layout& layout) {
  const std::string& bytes = anchor.weights();
  const size_t count = layout.weight_count();
  if (bytes.size() != count * sizeof(float)) {
    return InvalidField(
        "initial.weights",
        absl::StrCat("has ", bytes.size(), " bytes; the network has ", count,
                     " weights, ", count * sizeof(float), " bytes"));
  }
  absl::Status status =
      CheckNumbers("initial.weights", bytes, 0, count, kWeights);
  if (!status.ok() || !anchor.has_digest()) return status;
  const uint64_t digest = DigestOfBytes(bytes);
  if (digest == anchor.digest()) return absl::OkStatus();
  return InvalidField(
      "initial.digest",
      absl::StrFormat("is %016x, but that of initial.weights is %016x: this "
                      "copy of them was damaged, take another",
                      anchor.digest(), digest));
}

// State and its age belong together: either may be missing only where it is
// zero.
absl::Status CheckStateAge(const v1::Anchor& anchor, size_t state_count) {
  const uint64_t age = anchor.continuation().state_age();
  if (state_count == 0) return absl::OkStatus();
  const std::string& bytes = anchor.state();
  if (bytes.empty() && age != 0) {
    return InvalidField(
        "initial.state",
        absl::StrCat("is empty, but initial.continuation.state_age is ", age,
                     ": fetch the anchor with_state, or leave continuation out "
                     "to begin with zero state"));
  }
  for (size_t i = 0; age == 0 && i < bytes.size() / sizeof(float); ++i) {
    if (NumberAt(bytes, i) == 0) continue;
    return InvalidField("initial.continuation.state_age",
                        absl::StrCat("is 0, but number ", i,
                                     " of initial.state is not: state is zero "
                                     "before the first step"));
  }
  return absl::OkStatus();
}

absl::Status CheckState(const v1::Anchor& anchor, const Layout& layout) {
  const std::vector<StateRange> ranges = StateRanges(layout.rule());
  const std::string& bytes = anchor.state();
  // No overflow: a layout's weights are bounded, and there are two vectors at
  // most.
  const size_t count = layout.weight_count();
  const size_t expected = ranges.size() * count * sizeof(float);
  if (!bytes.empty() && bytes.size() != expected) {
    return InvalidField(
        "initial.state",
        absl::StrCat("has ", bytes.size(), " bytes; the optimiser has ",
                     ranges.size(), " state vectors of ", count, " numbers, ",
                     expected, " bytes"));
  }
  for (size_t k = 0; k < ranges.size() && !bytes.empty(); ++k) {
    absl::Status status =
        CheckNumbers("initial.state", bytes, k * count, count, ranges[k]);
    if (!status.ok()) return status;
  }
  return CheckStateAge(anchor, ranges.size());
}

bool IsPlainOrSgd(Rule rule) {
  return rule == rules::None::kRule || rule == rules::Sgd::kRule;
}

// Whether a session of this rule can go on from an anchor of the other's. None
// and Sgd have no state, and differ in the form of their factors only.
bool GoesOnFrom(Rule rule, Rule anchors) {
  return StateFits(rule, anchors) ||
         (IsPlainOrSgd(rule) && IsPlainOrSgd(anchors));
}

std::string NameOf(Rule rule) {
  return v1::Rule_Name(static_cast<v1::Rule>(rule));
}

// Of numbers alone nobody could tell which rule made them.
void TakeOverRule(const v1::Anchor& anchor, SessionSpec* spec,
                  Violations& violations) {
  constexpr char kField[] = "initial.continuation.rule";
  const int number = anchor.continuation().rule();
  if (number == v1::RULE_UNSPECIFIED) {
    if (anchor.state().empty()) return;
    violations.push_back(
        {kField,
         "is not set, but initial.state is: give continuation as GetWeights "
         "gave it, or leave state out too to begin with zero state"});
    return;
  }
  if (!Rules::Has(number)) {
    violations.push_back(
        {kField,
         absl::StrCat("is ", number,
                      ", no rule that this server knows: a newer server is "
                      "needed, or leave state and continuation out to begin "
                      "with zero state")});
    return;
  }
  const auto rule = static_cast<Rule>(number);
  if (!GoesOnFrom(spec->rule, rule)) {
    violations.push_back(
        {kField,
         absl::StrCat("is ", NameOf(rule), ", but spec.optimiser's is ",
                      NameOf(spec->rule),
                      ", which can't go on from it: give the spec that the "
                      "anchor's session had, or leave state and continuation "
                      "out to begin with zero state")});
    return;
  }
  // Plain descent keeps its gradient factors when an update has taken away what
  // it had them for.
  if (spec->rule == rules::None::kRule) spec->rule = rule;
}

// Weights were trained on inputs that were standardised as the anchor says.
void CheckStandardisation(const v1::Standardisation& anchors,
                          const InputFormat& specs, Violations& violations) {
  if (anchors.mean_size() == 0 && anchors.factor_size() == 0) return;
  if (std::ranges::equal(anchors.mean(), specs.mean) &&
      std::ranges::equal(anchors.factor(), specs.factor)) {
    return;
  }
  violations.push_back(
      {"initial.standardisation",
       specs.mean.empty()
           ? "is set, but the spec has no input standardisation: give the spec "
             "that the anchor's session had, or leave this out"
           : "differs from mean and factor of spec.input.standardisation: give "
             "the spec that the anchor's session had, or leave this out to use "
             "the spec's"});
}

// Samples that were learnt from are not sent again.
void CheckLearning(const v1::Anchor& anchor, const SessionSpec& spec,
                   Violations& violations) {
  if (!AwaitsStandardisation(spec) || anchor.next_offset() == 0) return;
  if (anchor.continuation().has_learning()) return;
  violations.push_back(
      {"initial.continuation.learning",
       absl::StrCat("is missing, but initial.next_offset is ",
                    anchor.next_offset(),
                    " and the input standardisation is not learnt yet: fetch "
                    "the anchor with_state, or leave step and next_offset out "
                    "to learn it anew")});
}

}  // namespace

absl::Status TakeOverFromAnchor(const v1::Anchor& anchor, SessionSpec* spec) {
  Violations violations;
  TakeOverRule(anchor, spec, violations);
  if (AwaitsStandardisation(*spec)) {
    KnownStandardisationFromProto(anchor.standardisation(),
                                  "initial.standardisation", spec, violations);
  } else {
    CheckStandardisation(anchor.standardisation(), spec->input, violations);
  }
  return violations.empty() ? absl::OkStatus() : InvalidFields(violations);
}

absl::StatusOr<Standing> StandingFromProto(const v1::Anchor& anchor,
                                           const SessionSpec& spec,
                                           const Layout& layout) {
  Violations violations;
  CheckCount(anchor.step(), "step", violations);
  CheckCount(anchor.next_offset(), "next_offset", violations);
  Standing standing;
  standing.progress = {anchor.step(), anchor.next_offset()};
  CheckLearning(anchor, spec, violations);
  ContinuationFromProto(anchor.continuation(), spec, &standing, violations);
  if (!violations.empty()) return InvalidFields(violations);
  absl::Status status = CheckWeights(anchor, layout);
  if (status.ok()) status = CheckState(anchor, layout);
  if (!status.ok()) return status;
  return standing;
}

void GoOnFromAnchor(const v1::Anchor& anchor, Standing standing,
                    Session& session) {
  std::memcpy(session.weights().data(), anchor.weights().data(),
              anchor.weights().size());
  if (!anchor.state().empty()) {
    std::memcpy(session.state().data(), anchor.state().data(),
                anchor.state().size());
  }
  session.GoOnFrom(std::move(standing));
}

}  // namespace backprop
