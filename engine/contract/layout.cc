// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/layout.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/contract/optimiser.h"

namespace backprop {
namespace {

// BLAS counts rows and columns in int.
constexpr size_t kLargestSide = std::numeric_limits<int>::max();

bool MultiplyOverflows(size_t a, size_t b, size_t* product) {
  return __builtin_mul_overflow(a, b, product);
}

bool AddOverflows(size_t a, size_t b, size_t* sum) {
  return __builtin_add_overflow(a, b, sum);
}

absl::Status TooLarge(size_t layer, size_t max_weights) {
  return absl::ResourceExhaustedError(
      absl::StrCat("with layer ", layer, " the network has more than ",
                   max_weights, " weights, or a step of it is too large"));
}

// DENSE where batch_size·(out + in) ≥ out·in. The factors are counted with
// saturation: beyond SIZE_MAX they are the more expensive form.
DeltaForm CheaperForm(size_t batch_size, size_t out, size_t in) {
  size_t factors = 0;
  if (MultiplyOverflows(batch_size, out + in, &factors)) {
    return DeltaForm::kDense;
  }
  return factors >= out * in ? DeltaForm::kDense : DeltaForm::kFactored;
}

// Length of a layer's part of the delta row. False: it overflows.
bool DeltaLength(const LayerLayout& layer, bool first, size_t batch_size,
                 size_t* length) {
  if (layer.form == DeltaForm::kDense) {
    *length = layer.inputs * layer.outputs + layer.outputs;
    return true;
  }
  const size_t per_sample = layer.outputs + (first ? 0 : layer.inputs);
  return !MultiplyOverflows(batch_size, per_sample, length);
}

}  // namespace

absl::StatusOr<Layout> Layout::Create(size_t input_size,
                                      std::span<const size_t> sizes,
                                      size_t batch_size, size_t max_weights,
                                      std::span<const DeltaForm> forms) {
  if (input_size == 0 || batch_size == 0 || sizes.empty()) {
    return absl::InvalidArgumentError(
        "input_size, batch_size and the number of layers must be at least 1");
  }
  if (!forms.empty() && forms.size() != sizes.size()) {
    return absl::InvalidArgumentError("forms must be empty or one a layer");
  }
  Layout layout;
  layout.batch_size_ = batch_size;
  size_t in = input_size;
  for (size_t k = 0; k < sizes.size(); ++k) {
    const size_t out = sizes[k];
    if (out == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the size of layer ", k, " must be at least 1"));
    }
    if (in > kLargestSide || out > kLargestSide) {
      return TooLarge(k, max_weights);
    }
    LayerLayout layer;
    layer.inputs = in;
    layer.outputs = out;
    layer.weights_begin = layout.weight_count_;
    size_t end = 0;  // both sides are below 2^31, so their product fits
    if (AddOverflows(layer.weights_begin, in * out, &layer.bias_begin) ||
        AddOverflows(layer.bias_begin, out, &end) || end > max_weights) {
      return TooLarge(k, max_weights);
    }
    layer.form = forms.empty() ? CheaperForm(batch_size, out, in) : forms[k];
    layer.delta_begin = layout.delta_row_length_;
    size_t row_end = 0;
    if (!DeltaLength(layer, k == 0, batch_size, &layer.delta_length) ||
        AddOverflows(layer.delta_begin, layer.delta_length, &row_end)) {
      return TooLarge(k, max_weights);
    }
    layout.weight_count_ = end;
    layout.delta_row_length_ = row_end;
    layout.layers_.push_back(layer);
    in = out;
  }
  return layout;
}

Layout Layout::WithRule(Rule rule) const {
  Layout layout = *this;
  layout.rule_ = rule;
  layout.state_count_ = StateCount(rule);
  layout.scalar_count_ = ScalarCount(rule);
  return layout;
}

}  // namespace backprop
