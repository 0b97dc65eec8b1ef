// SPDX-License-Identifier: Apache-2.0
//
// Where each layer's weights lie in the flat weight vector, where each layer's
// part lies in a step's delta row, and by which rule the weights move: what
// whoever follows a session has to know of it
// (proto/backprop/v1/network.proto and delta.proto are the specification).
#ifndef BACKPROP_ENGINE_CONTRACT_LAYOUT_H_
#define BACKPROP_ENGINE_CONTRACT_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/contract/rules.h"

namespace backprop {

enum class DeltaForm : uint8_t { kFactored, kDense };

// One layer. Positions and lengths count floats.
struct LayerLayout {
  size_t inputs = 0;         // columns of W
  size_t outputs = 0;        // rows of W, length of the bias
  size_t weights_begin = 0;  // W, row-major (outputs, inputs)
  size_t bias_begin = 0;     // bias, (outputs)
  DeltaForm form = DeltaForm::kFactored;
  size_t delta_begin = 0;   // in the step's delta row
  size_t delta_length = 0;  // in the step's delta row

  friend bool operator==(const LayerLayout&, const LayerLayout&) = default;
};

// Immutable after creation; any thread may read it.
class Layout {
 public:
  // sizes: outputs of each layer, first to last. forms: empty to choose by the
  // contract's rule (DENSE where batch_size·(out + in) ≥ out·in), else one a
  // layer. Fails with kInvalidArgument on zero sizes, and with
  // kResourceExhausted where the weights exceed max_weights or any product
  // overflows (nothing is allocated before that is known). The rule is None.
  static absl::StatusOr<Layout> Create(size_t input_size,
                                       std::span<const size_t> sizes,
                                       size_t batch_size, size_t max_weights,
                                       std::span<const DeltaForm> forms = {});

  // The same places; the weights move by `rule`.
  Layout WithRule(Rule rule) const;

  const std::vector<LayerLayout>& layers() const { return layers_; }
  size_t input_size() const { return layers_.front().inputs; }
  size_t output_size() const { return layers_.back().outputs; }
  size_t batch_size() const { return batch_size_; }
  size_t weight_count() const { return weight_count_; }
  size_t delta_row_length() const { return delta_row_length_; }
  // How D follows from what FACTORED layers' factors make.
  Rule rule() const { return rule_; }
  // Whether they make D itself (FACTOR_KIND_DELTA): the rule is None.
  bool is_plain() const { return rule_ == rules::None::kRule; }
  // The rule's state vectors, each weight_count long.
  size_t state_count() const { return state_count_; }
  // Length of a step's scalar row; 0 if is_plain.
  size_t scalar_count() const { return scalar_count_; }

 private:
  Layout() = default;

  std::vector<LayerLayout> layers_;
  size_t batch_size_ = 1;
  size_t weight_count_ = 0;
  size_t delta_row_length_ = 0;
  Rule rule_ = rules::None::kRule;
  size_t state_count_ = 0;
  size_t scalar_count_ = 0;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_LAYOUT_H_
