// SPDX-License-Identifier: Apache-2.0
#include "engine/training/block_trainer.h"

#include <algorithm>

#include "engine/kernels/layer_product.h"

namespace backprop {
namespace {

// The numbers below were chosen by engine_benchmark.py's rows, and by networks
// between them, on one core of an AMD EPYC with AVX-512, a first-level cache of
// 32 KiB and a second-level one of 1 MiB.

// Direct layers' weights, in numbers: what that first-level cache holds, and
// what a sample can go through three times without waiting.
constexpr size_t kDirectWeights = 8192;

// From so many weights on, and up to so many layers, a block of steps by an
// optimiser with state or decay is faster than its steps one by one: 1.1 to 1.9
// times (Zen 2). In deeper networks each sweep costs two products more than the
// passes over the weights that it saves (engine/README.md).
constexpr size_t kLinearWeights = size_t{1} << 16;
constexpr size_t kLinearLayers = 2;

// Samples of a block. The Gram matrix costs samples/2 products an input where
// the layer costs `outputs`, and loading and storing the weights 1/samples of
// an update: 32 is about even for 100 to 1000 outputs.
constexpr size_t kBlock = 32;

// Weights that lie in the caches. With those a window has as few samples as the
// products take at once (FewestSamples): the fewer they are, the fewer sweeps
// each needs.
constexpr size_t kCachedWeights = size_t{1} << 21;

// Larger weights are read from memory once a sweep, which costs as much as the
// products of about 12 samples. A window of four times the samples that a sweep
// accepts is within 10 % of the best there, whatever the network and the rate.
constexpr size_t kLargeBlock = 64;
constexpr size_t kWindowsAccepted = 4;
constexpr size_t kShortestWindow = 8;
constexpr size_t kFirstWindow = 16;

// The first layer of the longest direct end of the network.
size_t FirstDirect(const Layout& layout) {
  size_t first = layout.layers().size();
  size_t weights = 0;
  while (first > 0) {
    const LayerLayout& layer = layout.layers()[first - 1];
    weights += layer.outputs * (layer.inputs + 1);
    if (weights > kDirectWeights) break;
    --first;
  }
  return first;
}

}  // namespace

bool BlockTrainer::Takes(const Training& training) {
  if (training.layout->batch_size() != 1) return false;
  if (IsPlainDescent(training)) return true;
  const auto& layers = training.network->layers;
  return Recurrence::Covers(*training.optimiser) &&
         layers.size() <= kLinearLayers &&
         training.layout->weight_count() >= kLinearWeights &&
         std::all_of(layers.begin(), layers.end(),
                     [](const LayerSpec& layer) { return layer.dropout == 0; });
}

size_t BlockTrainer::Train(const Training& training, const TrainRun& run) {
  // Direct layers take steps by plain SGD alone.
  const size_t first_direct = training.layout->is_plain()
                                  ? FirstDirect(*training.layout)
                                  : training.layout->layers().size();
  if (first_direct == 0) return TrainDirect(training, run);
  const size_t pivot = first_direct - 1;
  const bool large =
      pivot > 0 && training.layout->weight_count() > kCachedWeights;
  const size_t samples = run.errors.size();
  const size_t block = large ? kLargeBlock : kBlock;
  adapts_ = large;
  samples_ = pivot == 0 ? block : large ? kFirstWindow : FewestSamples();
  window_.Prepare(training, run, pivot, std::min(samples, block));
  size_t done = 0;
  bool broken = false;
  while (done < samples && !broken) {
    done += TrainBlock(done, std::min(block, samples - done), &broken);
  }
  return done;
}

size_t BlockTrainer::TrainDirect(const Training& training,
                                 const TrainRun& run) {
  const size_t samples = run.errors.size();
  direct_.Load(training, 0, run.weights);
  size_t t = 0;
  for (; t < samples; ++t) {
    const DirectSample sample{.input = InputOf(training, run, t),
                              .target = TargetOf(training, run, t),
                              .row = DeltaRowOf(training, run, t),
                              .output = OutputOf(training, run, t),
                              .below = nullptr,
                              .rate = RateOf(training, t),
                              .weight = WeightOf(run, t)};
    if (!direct_.Step(sample, &run.errors[t])) break;
  }
  direct_.Store(run.weights);
  return t;
}

// Trains the run's samples first … first + count − 1; returns how many of them
// became steps. *broken: the one after those must not.
size_t BlockTrainer::TrainBlock(size_t first, size_t count, bool* broken) {
  window_.Begin(first, count);
  size_t accepted = 0;
  while (accepted < count) {
    const Window window{accepted, std::min(accepted + samples_, count)};
    const BlockWindow::Outcome outcome = window_.Sweep(window);
    accepted += outcome.accepted;
    *broken = outcome.broken;
    if (outcome.broken || outcome.undecided) break;
    if (adapts_ && window.size() == samples_) AdaptWindow(outcome.accepted);
  }
  window_.Apply(accepted);
  return accepted;
}

// By a quarter of the way, as one sweep accepts more than the next.
void BlockTrainer::AdaptWindow(size_t accepted) {
  const size_t wanted = kWindowsAccepted * accepted;
  samples_ =
      std::clamp((3 * samples_ + wanted + 2) / 4, kShortestWindow, kLargeBlock);
}

}  // namespace backprop
