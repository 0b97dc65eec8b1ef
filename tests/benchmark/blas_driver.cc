// SPDX-License-Identifier: Apache-2.0
//
// Two marks to measure the engine by.
// "sgd": the same algorithm as OpenBLAS offers it, a gemv forward, a gemv
//   backward and a ger for the update, each layer, each sample.
// "roofline": what the processor could do: OpenBLAS' sgemm rate on matrices of
//   1024×1024, spent on 4 flops a weight and sample (2 forward, 2 for the
//   update), and on nothing else.
#include <cblas.h>

#include <cmath>
#include <random>
#include <vector>

#include "tests/benchmark/driver.h"
#include "tests/benchmark/own_kernels.h"

namespace backprop::testing {
namespace {

class Network {
 public:
  explicit Network(const Question& question)
      : sizes_(question.sizes), rate_(RateFor(question)) {
    std::mt19937 random(1);
    for (size_t k = 1; k < sizes_.size(); ++k) {
      const float limit =
          std::sqrt(6.0F / static_cast<float>(sizes_[k - 1] + sizes_[k]));
      std::uniform_real_distribution<float> uniform(-limit, limit);
      weights_.emplace_back(sizes_[k] * sizes_[k - 1]);
      for (float& w : weights_.back()) w = uniform(random);
      biases_.emplace_back(sizes_[k]);
    }
    for (const size_t size : sizes_) {
      activations_.emplace_back(size);
      signals_.emplace_back(size);
    }
  }

  void Step(const float* inputs, const float* targets) {
    activations_[0].assign(inputs, inputs + sizes_[0]);
    for (size_t k = 1; k < sizes_.size(); ++k) Forward(k);
    LastSignal(targets);
    for (size_t k = sizes_.size() - 1; k > 0; --k) {
      if (k > 1) Backward(k);
      Update(k);
    }
  }

 private:
  static int Int(size_t size) { return static_cast<int>(size); }

  void Forward(size_t k) {
    std::vector<float>& a = activations_[k];
    a = biases_[k - 1];
    cblas_sgemv(CblasRowMajor, CblasNoTrans, Int(sizes_[k]), Int(sizes_[k - 1]),
                1, weights_[k - 1].data(), Int(sizes_[k - 1]),
                activations_[k - 1].data(), 1, 1, a.data(), 1);
    for (float& value : a) value = 1 / (1 + std::exp(-value));
  }

  void LastSignal(const float* targets) {
    const std::vector<float>& y = activations_.back();
    for (size_t i = 0; i < y.size(); ++i) {
      signals_.back()[i] = (y[i] - targets[i]) * y[i] * (1 - y[i]);
    }
  }

  void Backward(size_t k) {
    std::vector<float>& below = signals_[k - 1];
    const std::vector<float>& a = activations_[k - 1];
    cblas_sgemv(CblasRowMajor, CblasTrans, Int(sizes_[k]), Int(sizes_[k - 1]),
                1, weights_[k - 1].data(), Int(sizes_[k - 1]),
                signals_[k].data(), 1, 0, below.data(), 1);
    for (size_t i = 0; i < a.size(); ++i) below[i] *= a[i] * (1 - a[i]);
  }

  void Update(size_t k) {
    cblas_sger(CblasRowMajor, Int(sizes_[k]), Int(sizes_[k - 1]), -rate_,
               signals_[k].data(), 1, activations_[k - 1].data(), 1,
               weights_[k - 1].data(), Int(sizes_[k - 1]));
    cblas_saxpy(Int(sizes_[k]), -rate_, signals_[k].data(), 1,
                biases_[k - 1].data(), 1);
  }

  const std::vector<size_t> sizes_;
  const float rate_;
  std::vector<std::vector<float>> weights_, biases_, activations_, signals_;
};

double Sgd(const Question& question) {
  const Samples samples = MakeSamples(question);
  Network network(question);
  size_t sample = 0;
  return SamplesPerSecond(question, 1, [&] {
    network.Step(&samples.inputs[sample * question.inputs()],
                 &samples.targets[sample * question.outputs()]);
    sample = (sample + 1) % Samples::kCount;
  });
}

double Roofline(const Question& question) {
  constexpr size_t kSize = 1024;
  const std::vector<float> a(kSize * kSize, 0.5F), b(kSize * kSize, 0.25F);
  std::vector<float> c(kSize * kSize);
  const double flops_a_sample =
      4.0 * static_cast<double>(question.weight_count());
  const double multiplications = SamplesPerSecond(question, 1, [&] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kSize, kSize, kSize,
                1, a.data(), kSize, b.data(), kSize, 0, c.data(), kSize);
  });
  return multiplications * 2.0 * kSize * kSize * kSize / flops_a_sample;
}

std::optional<double> Measure(const Question& question) {
  if (question.optimiser == "roofline") return Roofline(question);
  if (question.optimiser == "sgd" && question.batch_size == 1 &&
      !question.classifier) {
    return Sgd(question);
  }
  return std::nullopt;
}

}  // namespace
}  // namespace backprop::testing

int main(int /*argc*/, char** argv) {
  backprop::testing::LetOpenBlasChoose(argv);
  openblas_set_num_threads(1);
  return backprop::testing::AnswerQuestions(
      backprop::testing::OpenBlasKernels(), backprop::testing::Measure);
}
