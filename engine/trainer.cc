// SPDX-License-Identifier: Apache-2.0
#include "engine/trainer.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/activation.h"
#include "engine/batch_trainer.h"
#include "engine/blas.h"
#include "engine/block_trainer.h"
#include "engine/delta.h"
#include "engine/layer_product.h"
#include "engine/loss.h"

namespace backprop {
namespace {

// Grows, never shrinks.
float* Grown(std::vector<float>& numbers, size_t size) {
  if (numbers.size() < size) numbers.resize(size);
  return numbers.data();
}

// Largest magnitude; NaN if there is one, which no bound lets pass.
double Largest(std::span<const float> numbers) {
  float largest = 0;
  float sum = 0;  // of x − x: NaN if any number is not finite
  for (const float number : numbers) {
    largest = std::max(largest, std::fabs(number));
    sum += number - number;
  }
  return double{largest} + sum;
}

void AddBias(const float* bias, size_t size, float* z) {
  for (size_t i = 0; i < size; ++i) z[i] += bias[i];
}

}  // namespace

// The panels of one step. Layer k's rows lie one after another, a row a sample.
struct Trainer::Scratch {
  std::vector<std::vector<float>> z;  // pre-activations
  std::vector<std::vector<float>> a;  // activations
  std::vector<float> signal;          // δ of the layer at hand
  std::vector<float> next_signal;     // δ of the layer below it
  BlockTrainer block;                 // steps of one sample
  BatchTrainer batch;                 // steps of several

  void Prepare(const Layout& layout) {
    const size_t depth = layout.layers().size();
    if (z.size() < depth) z.resize(depth);
    if (a.size() < depth) a.resize(depth);
    size_t widest = 0;
    for (size_t k = 0; k < depth; ++k) {
      const size_t numbers = layout.batch_size() * layout.layers()[k].outputs;
      Grown(z[k], numbers);
      Grown(a[k], numbers);
      widest = std::max(widest, numbers);
    }
    Grown(signal, widest);
    Grown(next_signal, widest);
  }
};

namespace {

// One step of one network: the naive form, layer by layer.
class Step {
 public:
  // inputs: (B, input_size); targets: (B, output_size).
  Step(const Training& training, Trainer::Scratch& scratch,
       std::span<const float> inputs, std::span<const float> targets,
       std::span<const float> weights)
      : network_(*training.network),
        layout_(*training.layout),
        factor_(-training.learning_rate /
                static_cast<float>(layout_.batch_size())),
        scratch_(scratch),
        inputs_(inputs),
        targets_(targets),
        weights_(weights) {}

  void Forward();

  // The step's error; fills the last layer's signal.
  double LastSignal();

  // Fills the delta row. False: some |D| might exceed kLargestDelta.
  bool Backward(std::span<float> row);

  std::span<const float> outputs() const {
    return {scratch_.a[depth() - 1].data(), batch() * layout_.output_size()};
  }

 private:
  size_t batch() const { return layout_.batch_size(); }
  size_t depth() const { return layout_.layers().size(); }
  const LayerLayout& layer(size_t k) const { return layout_.layers()[k]; }
  // What layer k sees: (B, layer.inputs).
  const float* Below(size_t k) const {
    return k == 0 ? inputs_.data() : scratch_.a[k - 1].data();
  }
  bool WriteDelta(size_t k, std::span<float> row) const;
  bool WriteFactors(size_t k, float* part) const;
  bool WriteDense(size_t k, std::span<float> part) const;
  void PropagateSignal(size_t k);

  const NetworkSpec& network_;
  const Layout& layout_;
  const float factor_;  // −α/B
  Trainer::Scratch& scratch_;
  const std::span<const float> inputs_;
  const std::span<const float> targets_;
  const std::span<const float> weights_;
};

// z ← a·Wᵀ + b; a ← f(z)
void Step::Forward() {
  for (size_t k = 0; k < depth(); ++k) {
    const LayerLayout& at = layer(k);
    float* z = scratch_.z[k].data();
    float* a = scratch_.a[k].data();
    const float* w = weights_.data() + at.weights_begin;
    backprop::Forward({Below(k), at.inputs}, batch(),
                      {w, at.outputs, at.inputs},
                      weights_.data() + at.bias_begin, {z, at.outputs});
    for (size_t s = 0; s < batch(); ++s) {
      const size_t begin = s * at.outputs;
      Activate(network_.layers[k].activation, {z + begin, at.outputs},
               {a + begin, at.outputs});
    }
    FlushSmall({a, batch() * at.outputs});
  }
}

double Step::LastSignal() {
  const size_t size = layout_.output_size();
  double error = 0;
  for (size_t s = 0; s < batch(); ++s) {
    const LastLayer sample{{scratch_.z[depth() - 1].data() + s * size, size},
                           {scratch_.a[depth() - 1].data() + s * size, size},
                           targets_.subspan(s * size, size)};
    error += ErrorAndSignal(network_, sample,
                            {scratch_.signal.data() + s * size, size});
  }
  return error / static_cast<double>(batch());
}

bool Step::Backward(std::span<float> row) {
  for (size_t k = depth(); k-- > 0;) {
    if (k > 0) PropagateSignal(k);
    if (!WriteDelta(k, row)) return false;
    std::swap(scratch_.signal, scratch_.next_signal);
  }
  return true;
}

// δ of layer k − 1 is (δ·W) ∘ f′, W being layer k's.
void Step::PropagateSignal(size_t k) {
  const LayerLayout& at = layer(k);
  const float* w = weights_.data() + at.weights_begin;
  const float* signal = scratch_.signal.data();
  float* below = scratch_.next_signal.data();
  backprop::Backward({signal, at.outputs}, batch(), {w, at.outputs, at.inputs},
                     {below, at.inputs});
  MultiplyByDerivative(network_.layers[k - 1].activation,
                       {scratch_.a[k - 1].data(), batch() * at.inputs},
                       {below, batch() * at.inputs});
}

bool Step::WriteDelta(size_t k, std::span<float> row) const {
  const LayerLayout& at = layer(k);
  // u = −(α/B)·δ, in place: δ has been propagated already.
  const std::span<float> u(scratch_.signal.data(), batch() * at.outputs);
  for (float& value : u) value *= factor_;
  FlushSmall(u);
  const auto part = row.subspan(at.delta_begin, at.delta_length);
  return at.form == DeltaForm::kDense ? WriteDense(k, part)
                                      : WriteFactors(k, part.data());
}

bool Step::WriteFactors(size_t k, float* part) const {
  const LayerLayout& at = layer(k);
  double bound = 0;
  for (size_t s = 0; s < batch(); ++s) {
    const std::span<const float> u(scratch_.signal.data() + s * at.outputs,
                                   at.outputs);
    const std::span<const float> a(Below(k) + s * at.inputs, at.inputs);
    // 1 for the bias. In this order std::max keeps NaN: 0·∞ must not pass.
    bound += Largest(u) * std::max(Largest(a), 1.0);
    part = std::copy(u.begin(), u.end(), part);
    if (k > 0) part = std::copy(a.begin(), a.end(), part);
  }
  return bound <= kLargestDelta;
}

bool Step::WriteDense(size_t k, std::span<float> part) const {
  const LayerLayout& at = layer(k);
  const float* u = scratch_.signal.data();
  blas::Multiply(at.outputs, at.inputs, batch(), 1,
                 {u, at.outputs, blas::Take::kTransposed},
                 {Below(k), at.inputs}, 0, part.data(), at.inputs);
  const auto bias = part.last(at.outputs);
  std::fill(bias.begin(), bias.end(), 0.0F);
  for (size_t s = 0; s < batch(); ++s) {
    AddBias(u + s * at.outputs, at.outputs, bias.data());
  }
  return Largest(part) <= kLargestDelta;
}

// Step t of the run by the naive form. False: it must not be.
bool TakeStep(const Training& training, Trainer::Scratch& scratch,
              const TrainRun& run, size_t t) {
  const Layout& layout = *training.layout;
  const size_t input_row = layout.batch_size() * layout.input_size();
  const size_t target_row = layout.batch_size() * layout.output_size();
  scratch.Prepare(layout);
  const auto inputs = run.inputs.subspan(t * input_row, input_row);
  const auto row = run.deltas.subspan(t * layout.delta_row_length(),
                                      layout.delta_row_length());
  Step step(training, scratch, inputs,
            run.targets.subspan(t * target_row, target_row), run.weights);
  step.Forward();
  const auto error = static_cast<float>(step.LastSignal());
  if (!std::isfinite(error) || !step.Backward(row)) return false;
  run.errors[t] = error;
  if (!run.outputs.empty()) {
    std::copy(step.outputs().begin(), step.outputs().end(),
              run.outputs.begin() + t * target_row);
  }
  ApplyDelta(layout, row, inputs, run.weights);
  return true;
}

// The run's steps from `first` on.
TrainRun From(const Layout& layout, const TrainRun& run, size_t first) {
  const size_t samples = first * layout.batch_size();
  return {.inputs = run.inputs.subspan(samples * layout.input_size()),
          .targets = run.targets.subspan(samples * layout.output_size()),
          .weights = run.weights,
          .errors = run.errors.subspan(first),
          .deltas = run.deltas.subspan(first * layout.delta_row_length()),
          .outputs = run.outputs.empty()
                         ? run.outputs
                         : run.outputs.subspan(samples * layout.output_size())};
}

}  // namespace

Trainer::Trainer() : scratch_(std::make_unique<Scratch>()) {}
Trainer::~Trainer() = default;

size_t Trainer::Train(const Training& training, const TrainRun& run) {
  if (BlockTrainer::Takes(training)) {
    return scratch_->block.Train(training, run);
  }
  const size_t steps = run.errors.size();
  size_t done = 0;
  while (done < steps) {
    done += scratch_->batch.Train(training, From(*training.layout, run, done));
    // What the batch trainer leaves is looked at number by number.
    if (done == steps || !TakeStep(training, *scratch_, run, done)) break;
    ++done;
  }
  return done;
}

}  // namespace backprop
