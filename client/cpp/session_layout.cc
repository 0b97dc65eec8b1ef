// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/session_layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace backprop {
namespace {

// The number of a rule is the protocol's: it is cast. The server's
// optimiser.cc says the same, as client and server share only proto and
// engine/contract, and neither of these may include the other.
template <class R>
constexpr auto kNumber = static_cast<v1::Rule>(R::kRule);
static_assert(kNumber<rules::None> == v1::RULE_NONE);
static_assert(kNumber<rules::Sgd> == v1::RULE_SGD);
static_assert(kNumber<rules::Momentum> == v1::RULE_MOMENTUM);
static_assert(kNumber<rules::Nesterov> == v1::RULE_NESTEROV);
static_assert(kNumber<rules::Adagrad> == v1::RULE_ADAGRAD);
static_assert(kNumber<rules::RmsProp> == v1::RULE_RMS_PROP);
static_assert(kNumber<rules::Adam> == v1::RULE_ADAM);
static_assert(kNumber<rules::Lion> == v1::RULE_LION);
static_assert(Rules::kCount == v1::Rule_MAX, "a rule is missing above");

absl::Status Disagrees(std::string_view field, uint64_t got, uint64_t want) {
  return absl::InvalidArgumentError(
      absl::StrFormat("the server's layout is not one that this client knows: "
                      "%s is %d where %d follows from the session's spec",
                      field, got, want));
}

absl::Status CheckLayer(size_t number, const v1::LayerLayout& got,
                        const LayerLayout& want) {
  const struct {
    std::string_view name;
    uint64_t got, want;
  } fields[] = {
      {"inputs", got.inputs(), want.inputs},
      {"weights_begin", got.weights_begin(), want.weights_begin},
      {"bias_begin", got.bias_begin(), want.bias_begin},
      {"delta_begin", got.delta_begin(), want.delta_begin},
      {"delta_length", got.delta_length(), want.delta_length},
  };
  for (const auto& field : fields) {
    if (field.got != field.want) {
      return Disagrees(
          absl::StrFormat("layout.layers[%d].%s", number, field.name),
          field.got, field.want);
    }
  }
  return absl::OkStatus();
}

// Of the spec's sizes and the message's delta forms.
absl::StatusOr<Layout> PlacesOf(const v1::SessionSpec& spec,
                                const v1::Layout& message, size_t max_weights) {
  if (message.layers_size() != spec.layers_size()) {
    return Disagrees("the number of layout.layers",
                     static_cast<uint64_t>(message.layers_size()),
                     static_cast<uint64_t>(spec.layers_size()));
  }
  std::vector<size_t> sizes;
  std::vector<DeltaForm> forms;
  for (int i = 0; i < message.layers_size(); ++i) {
    const v1::LayerLayout& layer = message.layers(i);
    if (layer.outputs() != spec.layers(i).size()) {
      return Disagrees(absl::StrFormat("layout.layers[%d].outputs", i),
                       layer.outputs(), spec.layers(i).size());
    }
    sizes.push_back(layer.outputs());
    if (layer.delta_form() == v1::DELTA_FORM_FACTORED) {
      forms.push_back(DeltaForm::kFactored);
    } else if (layer.delta_form() == v1::DELTA_FORM_DENSE) {
      forms.push_back(DeltaForm::kDense);
    } else {
      return absl::InvalidArgumentError(absl::StrFormat(
          "layout.layers[%d].delta_form is %d, which this client does not "
          "know: a newer client is needed",
          i, static_cast<int>(layer.delta_form())));
    }
  }
  return Layout::Create(spec.input_size(), sizes,
                        std::max<size_t>(1, spec.batch_size()), max_weights,
                        forms);
}

// With the message's rule, if this client knows it and what follows from it
// stands there too.
absl::StatusOr<Layout> WithRuleOf(const v1::Layout& message,
                                  const Layout& places) {
  if (message.rule() == v1::RULE_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        "layout.rule is not set: the server is older than this client");
  }
  if (!Rules::Has(message.rule())) {
    return absl::InvalidArgumentError(
        absl::StrFormat("layout.rule is %d, which this client does not know: a "
                        "newer client is needed",
                        static_cast<int>(message.rule())));
  }
  const Layout layout = places.WithRule(static_cast<Rule>(message.rule()));
  const auto kind =
      layout.is_plain() ? v1::FACTOR_KIND_DELTA : v1::FACTOR_KIND_GRADIENT;
  if (message.factor_kind() != kind) {
    return Disagrees("layout.factor_kind",
                     static_cast<uint64_t>(message.factor_kind()),
                     static_cast<uint64_t>(kind));
  }
  if (message.scalar_count() != layout.scalar_count()) {
    return Disagrees("layout.scalar_count", message.scalar_count(),
                     layout.scalar_count());
  }
  if (message.state_count() != layout.state_count()) {
    return Disagrees("layout.state_count", message.state_count(),
                     layout.state_count());
  }
  return layout;
}

}  // namespace

absl::StatusOr<Layout> LayoutOf(const v1::SessionSpec& spec,
                                const v1::Layout& message, size_t max_weights) {
  absl::StatusOr<Layout> layout = PlacesOf(spec, message, max_weights);
  if (!layout.ok()) return layout.status();
  for (size_t i = 0; i < layout->layers().size(); ++i) {
    absl::Status status =
        CheckLayer(i, message.layers(static_cast<int>(i)), layout->layers()[i]);
    if (!status.ok()) return status;
  }
  if (message.weight_count() != layout->weight_count()) {
    return Disagrees("layout.weight_count", message.weight_count(),
                     layout->weight_count());
  }
  if (message.delta_row_length() != layout->delta_row_length()) {
    return Disagrees("layout.delta_row_length", message.delta_row_length(),
                     layout->delta_row_length());
  }
  return WithRuleOf(message, *layout);
}

absl::Status SetStandardisation(std::span<const float> mean,
                                std::span<const float> factor,
                                size_t input_size, InputFormat* format) {
  const auto finite = [](float number) { return std::isfinite(number); };
  if (mean.size() != input_size || factor.size() != input_size) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the standardisation has %d means and %d factors for %d inputs",
        mean.size(), factor.size(), input_size));
  }
  if (!std::all_of(mean.begin(), mean.end(), finite) ||
      !std::all_of(factor.begin(), factor.end(), finite)) {
    return absl::InvalidArgumentError(
        "a mean or factor of the standardisation is not finite");
  }
  format->mean.assign(mean.begin(), mean.end());
  format->factor.assign(factor.begin(), factor.end());
  return absl::OkStatus();
}

absl::Status SetStandardisation(const v1::Standardisation& message,
                                size_t input_size, InputFormat* format) {
  const auto numbers = [](const auto& field) {
    return std::span(field.data(), static_cast<size_t>(field.size()));
  };
  return SetStandardisation(numbers(message.mean()), numbers(message.factor()),
                            input_size, format);
}

absl::StatusOr<InputFormat> InputFormatOf(const v1::SessionSpec& spec) {
  InputFormat format;
  switch (spec.input().element_type()) {
    case v1::ELEMENT_TYPE_UNSPECIFIED:
    case v1::ELEMENT_TYPE_FLOAT32:
      format.element_type = ElementType::kFloat32;
      break;
    case v1::ELEMENT_TYPE_UINT8:
      format.element_type = ElementType::kUint8;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "spec.input.element_type is ",
          static_cast<int>(spec.input().element_type()),
          ", which this client does not know: a newer client is needed"));
  }
  if (!std::isfinite(spec.input().scale())) {
    return absl::InvalidArgumentError("spec.input.scale is not finite");
  }
  // proto3 cannot tell 0 from not set; the protocol says that means 1.
  format.scale = spec.input().scale() == 0 ? 1.0F : spec.input().scale();
  const v1::Standardisation& standardisation = spec.input().standardisation();
  if (standardisation.mean().empty() && standardisation.factor().empty()) {
    return format;
  }
  absl::Status status =
      SetStandardisation(standardisation, spec.input_size(), &format);
  if (!status.ok()) return status;
  return format;
}

}  // namespace backprop
