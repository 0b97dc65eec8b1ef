// SPDX-License-Identifier: Apache-2.0
//
// Every kind of initial weights: bit for bit against a second writing in
// Python (golden/make_weight_golden.py), and whether they are what their names
// say.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "engine/random/initialiser.h"
#include "engine/random/normal_quantile.h"
#include "tests/engine/every_target.h"

namespace backprop::testing {
namespace {

const std::map<std::string, InitialiserKind> kKinds = {
    {"constant", InitialiserKind::kConstant},
    {"glorot_normal", InitialiserKind::kGlorotNormal},
    {"glorot_uniform", InitialiserKind::kGlorotUniform},
    {"he_normal", InitialiserKind::kHeNormal},
    {"he_uniform", InitialiserKind::kHeUniform},
    {"lecun_normal", InitialiserKind::kLecunNormal},
    {"lecun_uniform", InitialiserKind::kLecunUniform},
    {"normal", InitialiserKind::kNormal},
    {"orthogonal", InitialiserKind::kOrthogonal},
    {"torch_linear", InitialiserKind::kTorchLinear},
    {"uniform", InitialiserKind::kUniform},
};

Layout MakeLayout(size_t input_size, const std::vector<size_t>& sizes) {
  return *Layout::Create(input_size, sizes, 1,
                         std::numeric_limits<size_t>::max());
}

std::vector<float> Initialised(const Layout& layout,
                               const Initialiser& initialiser) {
  std::vector<float> weights(layout.weight_count(), 99.0F);
  Initialise(initialiser, layout, weights);
  return weights;
}

struct GoldenNetwork {
  std::string line;  // without the weights
  Initialiser initialiser;
  Layout layout;
  std::vector<uint32_t> bits;
};

std::vector<GoldenNetwork> ReadNetworks() {
  std::ifstream file("tests/engine/golden/initial_weights.txt");
  std::vector<GoldenNetwork> networks;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string kind, sizes;
    Initialiser initialiser;
    words >> kind >> initialiser.value >> initialiser.seed >> sizes;
    initialiser.kind = kKinds.at(kind);
    std::vector<size_t> outputs;
    for (const auto size : absl::StrSplit(sizes, ',')) {
      outputs.push_back(std::stoul(std::string(size)));
    }
    const size_t input_size = outputs.front();
    outputs.erase(outputs.begin());
    std::vector<uint32_t> bits;
    for (std::string word; words >> word;) {
      bits.push_back(static_cast<uint32_t>(std::stoul(word, nullptr, 16)));
    }
    networks.push_back({line.substr(0, 60), initialiser,
                        MakeLayout(input_size, outputs), bits});
  }
  return networks;
}

TEST(InitialWeightsTest, EveryKindHasTheBitsOfTheSecondWriting) {
  const std::vector<GoldenNetwork> networks = ReadNetworks();
  ASSERT_GE(networks.size(), 2 * kKinds.size());
  OnEveryTarget([&] {
    for (const GoldenNetwork& golden : networks) {
      const std::vector<float> weights =
          Initialised(golden.layout, golden.initialiser);
      ASSERT_EQ(weights.size(), golden.bits.size()) << golden.line;
      for (size_t i = 0; i < weights.size(); ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(weights[i]), golden.bits[i])
            << golden.line << ": weight " << i;
      }
    }
  });
}

// Φ of the quantile is the probability again. In the tails Φ has x² times the
// relative error of x, which is at most 2^-49 (erfc's own comes on top).
TEST(NormalQuantileTest, IsTheInverseOfTheDistribution) {
  constexpr uint32_t kNumbers = 1 << 24;
  for (uint32_t n = 0; n < kNumbers; n += n < 1000 ? 1 : 997) {
    const double x = NormalQuantile(n);
    const double p = (n + 0.5) / kNumbers;
    ASSERT_NEAR(std::erfc(-x / std::numbers::sqrt2) / 2, p,
                (1 + x * x) * 0x1p-49 * p)
        << n;
    ASSERT_EQ(NormalQuantile(kNumbers - 1 - n), -x) << n;
  }
}

TEST(NormalQuantileTest, Rises) {
  double before = -std::numeric_limits<double>::infinity();
  for (uint32_t n = 0; n < (1 << 24); ++n) {
    const double x = NormalQuantile(n);
    ASSERT_GT(x, before) << n;
    before = x;
  }
}

// Mean and mean square of one layer's matrix.
struct Moments {
  double mean = 0;
  double square = 0;
};

Moments MomentsOf(const std::vector<float>& weights, const LayerLayout& layer) {
  const auto n = static_cast<double>(layer.bias_begin - layer.weights_begin);
  Moments moments;
  for (size_t i = layer.weights_begin; i < layer.bias_begin; ++i) {
    moments.mean += weights[i] / n;
    moments.square += double{weights[i]} * weights[i] / n;
  }
  return moments;
}

// The variance that the manual promises.
double Variance(InitialiserKind kind, double in, double out, double value) {
  switch (kind) {
    case InitialiserKind::kGlorotUniform:
    case InitialiserKind::kGlorotNormal:
      return 2 / (in + out);
    case InitialiserKind::kHeUniform:
    case InitialiserKind::kHeNormal:
      return 2 / in;
    case InitialiserKind::kLecunUniform:
    case InitialiserKind::kLecunNormal:
      return 1 / in;
    case InitialiserKind::kTorchLinear:
      return 1 / (3 * in);
    case InitialiserKind::kUniform:
      return value * value / 3;
    case InitialiserKind::kNormal:
      return value * value;
    default:
      return 0;
  }
}

TEST(InitialWeightsTest, RandomKindsHaveTheirMeanAndVariance) {
  const Layout layout = MakeLayout(300, {200, 100});
  for (const auto& [name, kind] : kKinds) {
    if (Variance(kind, 1, 1, 1) == 0) continue;
    const std::vector<float> weights =
        Initialised(layout, {.kind = kind, .seed = 11, .value = 0.3F});
    for (const LayerLayout& layer : layout.layers()) {
      const double variance = Variance(kind, static_cast<double>(layer.inputs),
                                       static_cast<double>(layer.outputs), 0.3);
      const Moments moments = MomentsOf(weights, layer);
      // n numbers: six standard deviations of mean and mean square.
      const auto n = static_cast<double>(layer.inputs * layer.outputs);
      EXPECT_LT(std::fabs(moments.mean), 6 * std::sqrt(variance / n)) << name;
      EXPECT_NEAR(moments.square, variance, 6 * variance * std::sqrt(2 / n))
          << name;
    }
  }
}

// Shares beyond one, two and three deviations.
TEST(InitialWeightsTest, NormalWeightsHaveNormalTails) {
  const Layout layout = MakeLayout(500, {400});
  const std::vector<float> weights = Initialised(
      layout, {.kind = InitialiserKind::kNormal, .seed = 4, .value = 1});
  const auto n = static_cast<double>(layout.layers()[0].bias_begin);
  for (const double deviations : {1.0, 2.0, 3.0}) {
    double beyond = 0;
    for (const float weight : weights) beyond += std::fabs(weight) > deviations;
    const double share = std::erfc(deviations / std::numbers::sqrt2);
    EXPECT_NEAR(beyond / n, share, 6 * std::sqrt(share / n));
  }
}

TEST(InitialWeightsTest, UniformWeightsKeepTheirBounds) {
  const Layout layout = MakeLayout(300, {200});
  const std::vector<float> weights = Initialised(
      layout, {.kind = InitialiserKind::kUniform, .seed = 2, .value = 0.125F});
  float least = 0, largest = 0;
  for (const float weight : weights) {
    least = std::min(least, weight);
    largest = std::max(largest, weight);
  }
  EXPECT_GE(least, -0.125F);
  EXPECT_LT(least, -0.1249F);
  EXPECT_LT(largest, 0.125F);
  EXPECT_GT(largest, 0.1249F);
}

TEST(InitialWeightsTest, BiasesAreZeroButForPyTorchs) {
  const Layout layout = MakeLayout(20, {30});
  for (const auto& [name, kind] : kKinds) {
    const std::vector<float> weights =
        Initialised(layout, {.kind = kind, .seed = 3, .value = 0.5F});
    bool all_zero = true;
    for (size_t i = 0; i < 30; ++i) {
      const float bias = weights[layout.layers()[0].bias_begin + i];
      all_zero = all_zero && bias == 0;
      EXPECT_LE(std::fabs(bias), 1 / std::sqrt(20.0F));
    }
    EXPECT_EQ(all_zero, kind != InitialiserKind::kTorchLinear) << name;
  }
}

// Rows (or columns, if they are fewer) times each other: gain² on the
// diagonal, else 0.
TEST(InitialWeightsTest, OrthogonalWeightsAreOrthonormalTimesTheGain) {
  constexpr float kGain = 1.5F;
  const Layout layout = MakeLayout(70, {40, 65, 65, 3, 1});
  const std::vector<float> weights = Initialised(
      layout,
      {.kind = InitialiserKind::kOrthogonal, .seed = 9, .value = kGain});
  for (const LayerLayout& layer : layout.layers()) {
    const bool rows = layer.outputs <= layer.inputs;
    const size_t count = rows ? layer.outputs : layer.inputs;
    const size_t length = rows ? layer.inputs : layer.outputs;
    const auto number = [&](size_t k, size_t i) {
      return double{
          weights[layer.weights_begin +
                  (rows ? k * layer.inputs + i : i * layer.inputs + k)]};
    };
    for (size_t k = 0; k < count; ++k) {
      for (size_t l = 0; l <= k; ++l) {
        double product = 0;
        for (size_t i = 0; i < length; ++i)
          product += number(k, i) * number(l, i);
        EXPECT_NEAR(product, k == l ? kGain * kGain : 0, 1e-6)
            << layer.outputs << "x" << layer.inputs << " " << k << " " << l;
      }
    }
  }
}

TEST(InitialWeightsTest, EveryRandomKindReadsItsSeed) {
  const Layout layout = MakeLayout(6, {5});
  for (const auto& [name, kind] : kKinds) {
    if (kind == InitialiserKind::kConstant) continue;
    const auto made = [&](uint64_t seed) {
      return Initialised(layout, {.kind = kind, .seed = seed, .value = 1});
    };
    EXPECT_EQ(made(7), made(7)) << name;
    EXPECT_NE(made(7), made(8)) << name;
    EXPECT_NE(made(7), made(7 + (uint64_t{1} << 32))) << name;
  }
}

}  // namespace
}  // namespace backprop::testing
