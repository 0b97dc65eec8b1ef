// SPDX-License-Identifier: Apache-2.0
#include "server/translation/initialiser.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "server/translation/enum_table.h"

namespace backprop {
namespace {

constexpr char kValueField[] = "spec.initialiser.value";

// Weights may be 2^96 at most, and a normal weight is below 8 deviations.
constexpr float kLargestValue = 0x1p93F;

constexpr std::array<EnumPair<v1::InitialiserKind, InitialiserKind>, 12>
    kKinds = {{
        {v1::INITIALISER_KIND_GLOROT_UNIFORM, InitialiserKind::kGlorotUniform},
        {v1::INITIALISER_KIND_ZEROS, InitialiserKind::kZeros},
        {v1::INITIALISER_KIND_HE_UNIFORM, InitialiserKind::kHeUniform},
        {v1::INITIALISER_KIND_CONSTANT, InitialiserKind::kConstant},
        {v1::INITIALISER_KIND_UNIFORM, InitialiserKind::kUniform},
        {v1::INITIALISER_KIND_NORMAL, InitialiserKind::kNormal},
        {v1::INITIALISER_KIND_GLOROT_NORMAL, InitialiserKind::kGlorotNormal},
        {v1::INITIALISER_KIND_HE_NORMAL, InitialiserKind::kHeNormal},
        {v1::INITIALISER_KIND_LECUN_UNIFORM, InitialiserKind::kLecunUniform},
        {v1::INITIALISER_KIND_LECUN_NORMAL, InitialiserKind::kLecunNormal},
        {v1::INITIALISER_KIND_TORCH_LINEAR, InitialiserKind::kTorchLinear},
        {v1::INITIALISER_KIND_ORTHOGONAL, InitialiserKind::kOrthogonal},
    }};

// What is wrong with the value; null: nothing.
const char* ValueFault(InitialiserKind kind, float value) {
  const bool in_range = std::fabs(value) <= kLargestValue;  // not for NaN
  switch (kind) {
    case InitialiserKind::kConstant:
      if (in_range && value != 0) return nullptr;
      return "must be set for CONSTANT: finite, not 0 (ZEROS is for that), at "
             "most 2^93 in magnitude";
    case InitialiserKind::kUniform:
    case InitialiserKind::kNormal:
      if (in_range && value > 0) return nullptr;
      return "must be set for UNIFORM and NORMAL: greater than 0, at most 2^93";
    case InitialiserKind::kOrthogonal:
      if (in_range) return nullptr;
      return "must be finite, at most 2^93 in magnitude";
    default:
      if (value == 0) return nullptr;
      return "is for CONSTANT, UNIFORM, NORMAL and ORTHOGONAL only: leave it "
             "out";
  }
}

}  // namespace

Initialiser InitialiserFromProto(const v1::Initialiser& proto,
                                 std::vector<FieldViolation>& violations) {
  Initialiser initialiser;
  const size_t before = violations.size();
  initialiser.kind = FromProto(kKinds, proto.kind(), "spec.initialiser.kind",
                               "initialiser", violations);
  initialiser.seed = proto.seed();
  initialiser.value = proto.value();
  if (violations.size() > before) return initialiser;
  const char* const fault = ValueFault(initialiser.kind, initialiser.value);
  if (fault != nullptr) {
    violations.push_back(
        {kValueField, absl::StrCat("is ", initialiser.value, "; ", fault)});
  }
  if (initialiser.kind == InitialiserKind::kOrthogonal &&
      initialiser.value == 0) {
    initialiser.value = 1;
  }
  return initialiser;
}

void InitialiserToProto(const Initialiser& initialiser,
                        v1::Initialiser* proto) {
  proto->set_kind(ToProto(kKinds, initialiser.kind));
  proto->set_seed(initialiser.seed);
  proto->set_value(initialiser.value);
}

}  // namespace backprop
