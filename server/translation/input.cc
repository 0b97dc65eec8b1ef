// SPDX-License-Identifier: Apache-2.0
#include "server/translation/input.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/translation/enum_table.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

constexpr float kLargestByte = 255.0F;
constexpr uint64_t kFewestToLearn = 2;
// Its reciprocal is finite, and inputs below 2^-60 are 0.
constexpr float kLeastMinDeviation = 1e-18F;

constexpr std::array<EnumPair<v1::ElementType, ElementType>, 2> kElementTypes =
    {{
        {v1::ELEMENT_TYPE_FLOAT32, ElementType::kFloat32},
        {v1::ELEMENT_TYPE_UINT8, ElementType::kUint8},
    }};

constexpr char kPath[] = "spec.input.standardisation";

using Numbers = google::protobuf::RepeatedField<float>;

// One finite number for each column.
std::vector<float> ColumnsFromProto(const Numbers& proto, size_t columns,
                                    const std::string& field,
                                    Violations& violations) {
  if (static_cast<size_t>(proto.size()) != columns) {
    violations.push_back(
        {field, absl::StrCat("holds ", proto.size(),
                             " numbers; must hold one for each of the ",
                             columns, " inputs")});
    return {};
  }
  for (int j = 0; j < proto.size(); ++j) {
    if (std::isfinite(proto[j])) continue;
    violations.push_back({absl::StrCat(field, "[", j, "]"),
                          absl::StrCat("is ", proto[j], "; must be finite")});
    return {};
  }
  return {proto.begin(), proto.end()};
}

void LearnSamplesFromProto(uint64_t proto, SessionSpec* spec,
                           Violations& violations) {
  if (proto < kFewestToLearn || proto % spec->batch_size != 0) {
    violations.push_back(
        {absl::StrCat(kPath, ".learn_samples"),
         absl::StrCat("is ", proto, "; must be at least ", kFewestToLearn,
                      " and a multiple of batch_size ", spec->batch_size)});
  }
  spec->learn_samples = proto;
}

void MinDeviationFromProto(float proto, SessionSpec* spec,
                           Violations& violations) {
  // NaN fails too.
  if (proto != 0 && !(proto >= kLeastMinDeviation && std::isfinite(proto))) {
    violations.push_back(
        {absl::StrCat(kPath, ".min_deviation"),
         absl::StrCat("is ", proto, "; must be at least ", kLeastMinDeviation,
                      " and finite, or 0 for the default")});
  }
  spec->min_deviation = proto;
}

void StandardisationFromProto(const v1::Standardisation& proto,
                              SessionSpec* spec, Violations& violations) {
  const bool given = proto.mean_size() != 0 || proto.factor_size() != 0;
  if (!given && proto.learn_samples() == 0) {
    violations.push_back(
        {kPath, "set both of mean and factor, or learn_samples"});
    return;
  }
  if (proto.learn_samples() != 0) {
    LearnSamplesFromProto(proto.learn_samples(), spec, violations);
    MinDeviationFromProto(proto.min_deviation(), spec, violations);
  } else if (proto.min_deviation() != 0) {
    violations.push_back({absl::StrCat(kPath, ".min_deviation"),
                          "goes with learn_samples; mean and factor are used "
                          "as they are given"});
  }
  KnownStandardisationFromProto(proto, kPath, spec, violations);
}

}  // namespace

void InputFromProto(const v1::InputFormat& proto, SessionSpec* spec,
                    Violations& violations) {
  InputFormat& input = spec->input;
  input.element_type =
      FromProto(kElementTypes, proto.element_type(), "spec.input.element_type",
                "element type", violations);
  // Bytes times scale must be finite, so that they need no check later.
  if (!std::isfinite(proto.scale() * kLargestByte)) {
    violations.push_back(
        {"spec.input.scale",
         absl::StrCat("is ", proto.scale(),
                      "; must be finite, also when multiplied by 255")});
  } else if (proto.scale() != 0) {
    input.scale = proto.scale();
  }
  if (proto.has_standardisation()) {
    StandardisationFromProto(proto.standardisation(), spec, violations);
  }
}

void KnownStandardisationFromProto(const v1::Standardisation& proto,
                                   const std::string& path, SessionSpec* spec,
                                   Violations& violations) {
  if (proto.mean_size() == 0 && proto.factor_size() == 0) return;
  const size_t columns = spec->network.input_size;
  spec->input.mean = ColumnsFromProto(proto.mean(), columns,
                                      absl::StrCat(path, ".mean"), violations);
  spec->input.factor = ColumnsFromProto(
      proto.factor(), columns, absl::StrCat(path, ".factor"), violations);
}

void InputToProto(const SessionSpec& spec, v1::InputFormat* proto) {
  proto->set_element_type(ToProto(kElementTypes, spec.input.element_type));
  proto->set_scale(spec.input.scale);
  if (spec.learn_samples != 0 || !spec.input.mean.empty()) {
    StandardisationToProto(spec, proto->mutable_standardisation());
  }
}

void StandardisationToProto(const SessionSpec& spec,
                            v1::Standardisation* proto) {
  proto->mutable_mean()->Add(spec.input.mean.begin(), spec.input.mean.end());
  proto->mutable_factor()->Add(spec.input.factor.begin(),
                               spec.input.factor.end());
  proto->set_learn_samples(spec.learn_samples);
  proto->set_min_deviation(spec.min_deviation);
}

}  // namespace backprop
