// SPDX-License-Identifier: Apache-2.0
//
// What every benchmark driver is: a program that engine_benchmark.py starts
// once and then asks, a line a question, how many samples a second it trains.
// So contestants take turns in one run, and none pays for its start. Those that
// claim to compute the same can be asked what they computed.
//
//   asked:    784-128-10 1 sgd 0.5      network, batch size, optimiser, seconds
//   answered: 208000.0                  samples/s; "none" if it cannot do that
//   asked:    8-16-4 1 sgd weights
//   answered: 0.0625 -0.125 ...         all weights after one pass over Samples
//                                       that began with InitialWeights
//
// Layers are sigmoids, the error is half the squared one; of a network that is
// called classifier:784-128-10 they are ReLUs, the last one is a softmax, and
// the error is cross-entropy.
//
// driver.py is the same for drivers in Python, number for number.
//
// Those that compute with OpenBLAS are asked "kernels" too, and answer with its
// version and its kernels' type of CPU (OpenBlasKernels); others answer "none".
#ifndef BACKPROP_TESTS_BENCHMARK_DRIVER_H_
#define BACKPROP_TESTS_BENCHMARK_DRIVER_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace backprop::testing {

struct Question {
  std::vector<size_t> sizes;  // inputs, then each layer's outputs
  size_t batch_size = 1;
  std::string optimiser;
  bool classifier = false;
  double seconds = 0;

  size_t inputs() const { return sizes.front(); }
  size_t outputs() const { return sizes.back(); }
  // Weights and biases.
  size_t weight_count() const;
};

// Samples that every contestant trains on, over and over: inputs uniform in
// (0, 1], none of them 0; the target is 1 for one class, else 0.
struct Samples {
  static constexpr size_t kCount = 512;
  std::vector<float> inputs;   // (kCount, inputs)
  std::vector<float> targets;  // (kCount, outputs)
};
Samples MakeSamples(const Question& question);

// Of each layer W, row-major (outputs, inputs), then its bias: uniform within
// ±1/√inputs.
std::vector<float> InitialWeights(const Question& question);

// α for that network: small enough that each of them learns, none diverges.
float RateFor(const Question& question);

// Calls train(), which trains on `samples` samples, until the question's
// seconds are over. Samples a second of processor time: nobody here uses more
// than one thread, and what others do on the machine shall count for nobody.
double SamplesPerSecond(const Question& question, size_t samples,
                        const std::function<void()>& train);

// Samples a second; nothing if the driver cannot do that.
using Measurement = std::function<std::optional<double>(const Question&)>;
// The weights after one pass over the samples; nothing likewise.
using OnePass =
    std::function<std::optional<std::vector<float>>(const Question&)>;

// Reads questions from standard input until it ends; writes the answers.
// kernels: the answer to that.
int AnswerQuestions(const std::string& kernels, const Measurement& measure,
                    const OnePass& train = nullptr);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_BENCHMARK_DRIVER_H_
