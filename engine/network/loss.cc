// SPDX-License-Identifier: Apache-2.0
#include "engine/network/loss.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "engine/network/activation.h"
#include "engine/network/softmax.h"

namespace backprop {
namespace {

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

// d_i − y_i
double Residual(const LastLayer& sample, size_t i) {
  return double{sample.targets[i]} - double{sample.outputs[i]};
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

double SumOfSquares(const LastLayer& sample) {
  return Sum(sample.targets.size(), [&](size_t i) {
    const double r = Residual(sample, i);
    return r * r;
  });
}

double SumOfMagnitudes(const LastLayer& sample) {
  return Sum(sample.targets.size(),
             [&](size_t i) { return std::fabs(Residual(sample, i)); });
}

double HuberSum(const LastLayer& sample, double delta) {
  return Sum(sample.targets.size(), [&](size_t i) {
    const double r = std::fabs(Residual(sample, i));
    return r <= delta ? r * r / 2 : delta * (r - delta / 2);
  });
}

// −Σ c·t·ln softmax(z) = Σ c·t·(ln Σ e^z − z)
double CrossEntropy(const LastLayer& sample, const ClassTerms& terms) {
  const LogSum log_sum = LogSumExp(sample.z);
  return Sum(sample.targets.size(), [&](size_t i) {
    const double term = terms(i);
    const double below = double{log_sum.largest} - double{sample.z[i]};
    return term == 0 ? 0 : term * (below + log_sum.excess);
  });
}

// −Σ c·(d·ln σ(z) + (1 − d)·ln(1 − σ(z))). With s = ln(1 + e^−|z|),
// −ln σ(z) = s + max(−z, 0) and −ln(1 − σ(z)) = s + max(z, 0).
double BinaryCrossEntropySum(const LastLayer& sample, const ClassTerms& terms) {
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
  return sum;
}

double ErrorOf(const NetworkSpec& network, const LastLayer& sample,
               bool plain) {
  const auto n = static_cast<double>(sample.targets.size());
  const ClassTerms terms(network, sample.targets, plain);
  switch (network.loss) {
    case Loss::kHalfSquaredError:
      return SumOfSquares(sample) / 2;
    case Loss::kCrossEntropy:
      return CrossEntropy(sample, terms);
    case Loss::kMeanSquaredError:
      return SumOfSquares(sample) / n;
    case Loss::kMeanAbsoluteError:
      return SumOfMagnitudes(sample) / n;
    case Loss::kHuber:
      return HuberSum(sample, network.huber_delta) / n;
    case Loss::kBinaryCrossEntropy:
      return BinaryCrossEntropySum(sample, terms) / n;
  }
  return 0;
}

// ∂E/∂z_i = softmax(z)_i·Σ c·t − c_i·t_i
void CrossEntropySignal(const NetworkSpec& network, const LastLayer& sample,
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

// ∂E/∂z_i = c_i·(σ(z)_i − d_i)/n
void BinaryCrossEntropySignal(const NetworkSpec& network,
                              const LastLayer& sample,
                              std::span<float> signal) {
  const bool ready = network.layers.back().activation == Activation::kSigmoid;
  if (!ready) Activate({.activation = Activation::kSigmoid}, sample.z, signal);
  const float* y = ready ? sample.outputs.data() : signal.data();
  const ClassTerms terms(network, sample.targets, false);
  const double share = 1 / static_cast<double>(signal.size());
  for (size_t i = 0; i < signal.size(); ++i) {
    const double difference = double{y[i]} - double{sample.targets[i]};
    signal[i] = static_cast<float>(terms.Weight(i) * share * difference);
  }
}

// signal_i = ∂E/∂y_i, where slope(r) is ∂E/∂y at y − d = r.
template <class Slope>
void OutputSignal(const LastLayer& sample, std::span<float> signal,
                  Slope slope) {
  for (size_t i = 0; i < signal.size(); ++i) {
    signal[i] = slope(sample.outputs[i] - sample.targets[i]);
  }
}

// −1, 0 or 1; NaN of NaN.
float Sign(float r) { return r > 0 ? 1.0F : r < 0 ? -1.0F : r; }

// The signal of the losses that are not fused with an activation.
void UnfusedSignal(const NetworkSpec& network, const LastLayer& sample,
                   std::span<float> signal) {
  const float share = 1 / static_cast<float>(signal.size());
  const float delta = network.huber_delta;
  switch (network.loss) {
    case Loss::kMeanSquaredError:
      OutputSignal(sample, signal, [=](float r) { return 2 * share * r; });
      break;
    case Loss::kMeanAbsoluteError:
      OutputSignal(sample, signal, [=](float r) { return share * Sign(r); });
      break;
    case Loss::kHuber:
      OutputSignal(sample, signal, [=](float r) {
        return share * (std::fabs(r) > delta ? delta * Sign(r) : r);
      });
      break;
    default:
      OutputSignal(sample, signal, [](float r) { return r; });
  }
  MultiplyByDerivative(network.layers.back(), sample.z, sample.outputs, signal);
}

}  // namespace

double Error(const NetworkSpec& network, const LastLayer& sample) {
  return ErrorOf(network, sample, false);
}

double PlainError(const NetworkSpec& network, const LastLayer& sample) {
  return ErrorOf(network, sample, true);
}

double ErrorAndSignal(const NetworkSpec& network, const LastLayer& sample,
                      std::span<float> signal, float weight) {
  switch (network.loss) {
    case Loss::kCrossEntropy:
      CrossEntropySignal(network, sample, signal);
      break;
    case Loss::kBinaryCrossEntropy:
      BinaryCrossEntropySignal(network, sample, signal);
      break;
    default:
      UnfusedSignal(network, sample, signal);
  }
  if (weight != 1) {
    for (float& value : signal) value *= weight;
  }
  return weight * Error(network, sample);
}

}  // namespace backprop
