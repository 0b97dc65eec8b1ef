// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/driver.h"

#include <time.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <random>
#include <sstream>

#include "tests/benchmark/own_kernels.h"

namespace backprop::testing {
namespace {

double ProcessorSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

std::optional<Question> Parse(const std::string& line) {
  Question question;
  std::string network;
  std::istringstream words(line);
  words >> network >> question.batch_size >> question.optimiser >>
      question.seconds;
  if (!words) return std::nullopt;
  std::istringstream numbers(network);
  for (std::string size; std::getline(numbers, size, '-');) {
    question.sizes.push_back(std::stoul(size));
  }
  return question;
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
  std::uniform_real_distribution<float> uniform(0.001F, 1.0F);
  Samples samples;
  samples.inputs.resize(Samples::kCount * question.inputs());
  for (float& x : samples.inputs) x = uniform(random);
  samples.targets.resize(Samples::kCount * question.outputs());
  for (size_t i = 0; i < Samples::kCount; ++i) {
    samples.targets[i * question.outputs() + random() % question.outputs()] = 1;
  }
  return samples;
}

float RateFor(const Question& question) {
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

int AnswerQuestions(
    char** argv,
    const std::function<std::optional<double>(const Question&)>& measure) {
  LetOpenBlasChoose(argv);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "kernels") {
      std::cout << OpenBlasKernels() << std::endl;
      continue;
    }
    const auto question = Parse(line);
    if (!question) {
      std::cerr << "not a question: " << line << "\n";
      return 1;
    }
    const auto answer = measure(*question);
    if (answer) {
      std::cout << std::fixed << std::setprecision(3) << *answer << std::endl;
    } else {
      std::cout << "none" << std::endl;
    }
  }
  return 0;
}

}  // namespace backprop::testing
