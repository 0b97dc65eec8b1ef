// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/driver.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <random>
#include <sstream>
#include <string_view>

namespace backprop::testing {
namespace {

double ProcessorSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

constexpr char kWeights[] = "weights";
constexpr std::string_view kClassifier = "classifier:";

// A question for weights has no seconds.
std::optional<Question> Parse(const std::string& line) {
  Question question;
  std::string network, what;
  std::istringstream words(line);
  words >> network >> question.batch_size >> question.optimiser >> what;
  if (!words) return std::nullopt;
  if (what != kWeights) question.seconds = std::stod(what);
  question.classifier = network.starts_with(kClassifier);
  if (question.classifier) network.erase(0, kClassifier.size());
  std::istringstream numbers(network);
  for (std::string size; std::getline(numbers, size, '-');) {
    question.sizes.push_back(std::stoul(size));
  }
  return question;
}

// The upper 24 bits, which a float holds exactly: the standard's distributions
// differ between libraries, and driver.py has to make the same numbers.
float UpperBits(std::mt19937& random) {
  return static_cast<float>(random() >> 8);
}

void Answer(const std::optional<double>& rate) {
  if (rate) {
    std::cout << std::fixed << std::setprecision(3) << *rate << std::endl;
  } else {
    std::cout << "none" << std::endl;
  }
}

void Answer(const std::vector<float>& weights) {
  std::cout << std::defaultfloat << std::setprecision(9);
  for (const float weight : weights) std::cout << weight << ' ';
  std::cout << std::endl;
}

}  // namespace

size_t Question::weight_count() const {
  size_t count = 0;
  for (size_t k = 1; k < sizes.size(); ++k) {
    count += (sizes[k - 1] + 1) * sizes[k];
  }
  return count;
}

Samples MakeSamples(const Question& question) {
  std::mt19937 random(7);
  Samples samples;
  samples.inputs.resize(Samples::kCount * question.inputs());
  for (float& x : samples.inputs) x = (UpperBits(random) + 1) * 0x1p-24F;
  samples.targets.resize(Samples::kCount * question.outputs());
  for (size_t i = 0; i < Samples::kCount; ++i) {
    samples.targets[i * question.outputs() + random() % question.outputs()] = 1;
  }
  return samples;
}

std::vector<float> InitialWeights(const Question& question) {
  std::mt19937 random(11);
  std::vector<float> weights;
  weights.reserve(question.weight_count());
  for (size_t k = 1; k < question.sizes.size(); ++k) {
    const size_t inputs = question.sizes[k - 1];
    const float limit = 1 / std::sqrt(static_cast<float>(inputs));
    for (size_t i = 0; i < (inputs + 1) * question.sizes[k]; ++i) {
      weights.push_back((UpperBits(random) * 0x1p-23F - 1) * limit);
    }
  }
  return weights;
}

float RateFor(const Question& question) {
  // Adam moves a weight by α, however small its gradient is.
  if (question.optimiser == "adam") return 0.001F;
  // One step moves a pre-activation by about α·(layer inputs)/4.
  size_t widest = 0;
  for (const size_t size : question.sizes) widest = std::max(widest, size);
  return 4.0F / static_cast<float>(widest + 32);
}

double SamplesPerSecond(const Question& question, size_t samples,
                        const std::function<void()>& train) {
  train();  // Memory is touched, caches are warm.
  size_t done = 0;
  const double start = ProcessorSeconds();
  double seconds = 0;
  do {
    train();
    done += samples;
    seconds = ProcessorSeconds() - start;
  } while (seconds < question.seconds);
  return static_cast<double>(done) / seconds;
}

int AnswerQuestions(const std::string& kernels, const Measurement& measure,
                    const OnePass& train) {
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "kernels") {
      std::cout << kernels << std::endl;
      continue;
    }
    const auto question = Parse(line);
    if (!question) {
      std::cerr << "not a question: " << line << "\n";
      return 1;
    }
    if (question->seconds > 0) {
      Answer(measure(*question));
      continue;
    }
    const auto weights = train ? train(*question) : std::nullopt;
    if (weights) {
      Answer(*weights);
    } else {
      Answer(std::nullopt);
    }
  }
  return 0;
}

}  // namespace backprop::testing
