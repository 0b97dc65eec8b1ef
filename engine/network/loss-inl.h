// SPDX-License-Identifier: Apache-2.0
//
// The losses, a struct each: its traits and its formula (Loss in
// proto/backprop/v1/network.proto). Those that are a sum over outputs, or their
// mean, of a function of y and d have that function, Value, and its derivative
// by y, Slope. Those that are fused with an activation have Error and Signal.
// For loss.cc alone.
#ifndef BACKPROP_ENGINE_NETWORK_LOSS_INL_H_
#define BACKPROP_ENGINE_NETWORK_LOSS_INL_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "engine/network/activation.h"
#include "engine/network/loss.h"
#include "engine/network/softmax.h"

namespace backprop {

// Σ_i term(i), i < size. Several sums at once, so that no addition waits for
// the one before it.
template <class Term>
double Sum(size_t size, Term term) {
  constexpr size_t kSums = 4;
  std::array<double, kSums> sums{};
  size_t i = 0;
  for (; i + kSums <= size; i += kSums) {
    for (size_t j = 0; j < kSums; ++j) sums[j] += term(i + j);
  }
  for (; i < size; ++i) sums[0] += term(i);
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

// The numbers c_i·t_i that cross-entropy weighs logarithms with.
class ClassTerms {
 public:
  // plain: c = 1 and t = d.
  ClassTerms(const NetworkSpec& network, std::span<const float> targets,
             bool plain)
      : targets_(targets),
        weights_(network.class_weights.empty() || plain
                     ? nullptr
                     : network.class_weights.data()),
        keep_(plain ? 1 : 1 - double{network.label_smoothing}),
        add_(plain ? 0
                   : double{network.label_smoothing} /
                         static_cast<double>(targets.size())) {}

  double Weight(size_t i) const {
    return weights_ == nullptr ? 1 : double{weights_[i]};
  }
  // c_i·t_i, t_i = (1 − ε)·d_i + ε/n
  double operator()(size_t i) const {
    return Weight(i) * (keep_ * double{targets_[i]} + add_);
  }

 private:
  std::span<const float> targets_;
  const float* weights_;
  double keep_;
  double add_;
};

// −1, 0 or 1; NaN of NaN.
inline float Sign(float r) { return r > 0 ? 1.0F : r < 0 ? -1.0F : r; }

struct HalfSquaredError {
  static constexpr LossTraits kTraits{.name = "HALF_SQUARED_ERROR"};
  static constexpr bool kMean = false;
  static double Value(const NetworkSpec&, double y, double d) {
    return (d - y) * (d - y) / 2;
  }
  static float Slope(const NetworkSpec&, float y, float d) { return y - d; }
};

struct MeanSquaredError {
  static constexpr LossTraits kTraits{.name = "MEAN_SQUARED_ERROR"};
  static constexpr bool kMean = true;
  static double Value(const NetworkSpec&, double y, double d) {
    return (d - y) * (d - y);
  }
  static float Slope(const NetworkSpec&, float y, float d) {
    return 2 * (y - d);
  }
};

struct MeanAbsoluteError {
  static constexpr LossTraits kTraits{.name = "MEAN_ABSOLUTE_ERROR"};
  static constexpr bool kMean = true;
  static double Value(const NetworkSpec&, double y, double d) {
    return std::fabs(d - y);
  }
  static float Slope(const NetworkSpec&, float y, float d) {
    return Sign(y - d);
  }
};

struct Huber {
  static constexpr LossTraits kTraits{.name = "HUBER"};
  static constexpr bool kMean = true;
  static double Value(const NetworkSpec& network, double y, double d) {
    const double delta = network.huber_delta;
    const double r = std::fabs(d - y);
    return r <= delta ? r * r / 2 : delta * (r - delta / 2);
  }
  static float Slope(const NetworkSpec& network, float y, float d) {
    const float r = y - d;
    return std::fabs(r) > network.huber_delta ? network.huber_delta * Sign(r)
                                              : r;
  }
};

struct Poisson {
  static constexpr LossTraits kTraits{
      .name = "POISSON", .least_target = 0, .target_rule = "at least 0"};
  static constexpr bool kMean = true;
  static double Value(const NetworkSpec&, double y, double d) {
    return std::exp(y) - d * y;
  }
  static float Slope(const NetworkSpec&, float y, float d) {
    // Infinite where it is no float, as IEEE 754 has it.
    static_assert(std::numeric_limits<float>::is_iec559);
    return static_cast<float>(std::exp(double{y}) - double{d});
  }
};

struct CrossEntropy {
  static constexpr LossTraits kTraits{.name = "CROSS_ENTROPY",
                                      .fused_with = Activation::kSoftmax,
                                      .has_class_weights = true};

  // −Σ c·t·ln softmax(z) = Σ c·t·(ln Σ e^z − z)
  static double Error(const LastLayer& sample, const ClassTerms& terms) {
    const LogSum log_sum = LogSumExp(sample.z);
    return Sum(sample.targets.size(), [&](size_t i) {
      const double term = terms(i);
      const double below = double{log_sum.largest} - double{sample.z[i]};
      return term == 0 ? 0 : term * (below + log_sum.excess);
    });
  }

  // ∂E/∂z_i = softmax(z)_i·Σ c·t − c_i·t_i
  static void Signal(const NetworkSpec& network, const LastLayer& sample,
                     std::span<float> signal) {
    const bool ready = network.layers.back().activation == Activation::kSoftmax;
    if (!ready) Softmax(sample.z, signal);
    const float* y = ready ? sample.outputs.data() : signal.data();
    const ClassTerms terms(network, sample.targets, false);
    const double sum = Sum(signal.size(), terms);
    for (size_t i = 0; i < signal.size(); ++i) {
      signal[i] = static_cast<float>(double{y[i]} * sum - terms(i));
    }
  }
};

struct BinaryCrossEntropy {
  static constexpr LossTraits kTraits{.name = "BINARY_CROSS_ENTROPY",
                                      .fused_with = Activation::kSigmoid,
                                      .has_class_weights = true,
                                      .least_target = 0,
                                      .largest_target = 1,
                                      .target_rule = "in [0, 1]"};

  // −(1/n)·Σ c·(d·ln σ(z) + (1 − d)·ln(1 − σ(z))). With s = ln(1 + e^−|z|),
  // −ln σ(z) = s + max(−z, 0) and −ln(1 − σ(z)) = s + max(z, 0).
  static double Error(const LastLayer& sample, const ClassTerms& terms) {
    constexpr size_t kPart = 64;
    const LayerSpec softplus{.activation = Activation::kSoftplus};
    std::array<float, kPart> s;
    double sum = 0;
    for (size_t begin = 0; begin < sample.z.size(); begin += kPart) {
      const size_t n = std::min(kPart, sample.z.size() - begin);
      const float* z = sample.z.data() + begin;
      const float* d = sample.targets.data() + begin;
      for (size_t i = 0; i < n; ++i) s[i] = -std::fabs(z[i]);
      Activate(softplus, {s.data(), n}, {s.data(), n});
      sum += Sum(n, [&](size_t i) {
        const double share = z[i] > 0 ? 1 - double{d[i]} : double{d[i]};
        const double rest = share == 0 ? 0 : share * std::fabs(double{z[i]});
        return terms.Weight(begin + i) * (double{s[i]} + rest);
      });
    }
    return sum / static_cast<double>(sample.targets.size());
  }

  // ∂E/∂z_i = c_i·(σ(z)_i − d_i)/n
  static void Signal(const NetworkSpec& network, const LastLayer& sample,
                     std::span<float> signal) {
    const bool ready = network.layers.back().activation == Activation::kSigmoid;
    if (!ready) {
      Activate({.activation = Activation::kSigmoid}, sample.z, signal);
    }
    const float* y = ready ? sample.outputs.data() : signal.data();
    const ClassTerms terms(network, sample.targets, false);
    const double share = 1 / static_cast<double>(signal.size());
    for (size_t i = 0; i < signal.size(); ++i) {
      const double difference = double{y[i]} - double{sample.targets[i]};
      signal[i] = static_cast<float>(terms.Weight(i) * share * difference);
    }
  }
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_LOSS_INL_H_
