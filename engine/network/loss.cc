// SPDX-License-Identifier: Apache-2.0
#include "engine/network/loss.h"

#include <cstddef>
#include <cstdlib>

#include "absl/base/attributes.h"
#include "engine/network/activation.h"
#include "engine/network/loss-inl.h"

namespace backprop {
namespace {

// f(the loss's struct). The one place that tells losses apart.
template <class Function>
auto ForLoss(Loss loss, Function f) {
  switch (loss) {
    case Loss::kHalfSquaredError:
      return f(HalfSquaredError{});
    case Loss::kCrossEntropy:
      return f(CrossEntropy{});
    case Loss::kMeanSquaredError:
      return f(MeanSquaredError{});
    case Loss::kMeanAbsoluteError:
      return f(MeanAbsoluteError{});
    case Loss::kHuber:
      return f(Huber{});
    case Loss::kBinaryCrossEntropy:
      return f(BinaryCrossEntropy{});
    case Loss::kPoisson:
      return f(Poisson{});
  }
  std::abort();  // no number but those above is a Loss
}

template <class Of>
constexpr bool kIsFused = Of::kTraits.fused_with.has_value();

// Not inlined: all losses in one function share one stack frame, which a small
// network's step feels (7 % of 8-16-1's, 5 % of 64-32-10's).
template <class Of>
ABSL_ATTRIBUTE_NOINLINE double ErrorBy(const NetworkSpec& network,
                                       const LastLayer& sample, bool plain) {
  if constexpr (kIsFused<Of>) {
    return Of::Error(sample, ClassTerms(network, sample.targets, plain));
  } else {
    const size_t n = sample.targets.size();
    const double sum = Sum(n, [&](size_t i) {
      return Of::Value(network, sample.outputs[i], sample.targets[i]);
    });
    return Of::kMean ? sum / static_cast<double>(n) : sum;
  }
}

double ErrorOf(const NetworkSpec& network, const LastLayer& sample,
               bool plain) {
  return ForLoss(network.loss, [&]<class Of>(Of) {
    return ErrorBy<Of>(network, sample, plain);
  });
}

void SignalOf(const NetworkSpec& network, const LastLayer& sample,
              std::span<float> signal) {
  ForLoss(network.loss, [&]<class Of>(Of) {
    if constexpr (kIsFused<Of>) {
      Of::Signal(network, sample, signal);
    } else {
      const float share =
          Of::kMean ? 1 / static_cast<float>(signal.size()) : 1.0F;
      for (size_t i = 0; i < signal.size(); ++i) {
        signal[i] =
            share * Of::Slope(network, sample.outputs[i], sample.targets[i]);
      }
      MultiplyByDerivative(network.layers.back(), sample.z, sample.outputs,
                           signal);
    }
  });
}

}  // namespace

const LossTraits& TraitsOf(Loss loss) {
  return *ForLoss(loss, []<class Of>(Of) { return &Of::kTraits; });
}

double Error(const NetworkSpec& network, const LastLayer& sample) {
  return ErrorOf(network, sample, false);
}

double PlainError(const NetworkSpec& network, const LastLayer& sample) {
  return ErrorOf(network, sample, true);
}

double ErrorAndSignal(const NetworkSpec& network, const LastLayer& sample,
                      std::span<float> signal, float weight) {
  SignalOf(network, sample, signal);
  if (weight != 1) {
    for (float& value : signal) value *= weight;
  }
  return weight * Error(network, sample);
}

}  // namespace backprop
