// SPDX-License-Identifier: Apache-2.0
//
// FANN 2.2, float, as its manual trains incrementally: fann_train, one sample
// after another.
#include <floatfann.h>
#include <malloc.h>

#include <memory>
#include <vector>

#include "tests/benchmark/driver.h"

namespace backprop::testing {
namespace {

std::optional<double> Measure(const Question& question) {
  if (question.batch_size != 1 || question.optimiser != "sgd" ||
      question.classifier) {
    return std::nullopt;
  }
  const std::vector<unsigned> sizes(question.sizes.begin(),
                                    question.sizes.end());
  const std::unique_ptr<fann, decltype(&fann_destroy)> network(
      fann_create_standard_array(static_cast<unsigned>(sizes.size()),
                                 sizes.data()),
      &fann_destroy);
  fann_set_training_algorithm(network.get(), FANN_TRAIN_INCREMENTAL);
  fann_set_train_error_function(network.get(), FANN_ERRORFUNC_LINEAR);
  fann_set_activation_function_hidden(network.get(), FANN_SIGMOID);
  fann_set_activation_function_output(network.get(), FANN_SIGMOID);
  fann_set_learning_rate(network.get(), RateFor(question));
  Samples samples = MakeSamples(question);
  size_t sample = 0;
  return SamplesPerSecond(question, 1, [&] {
    fann_train(network.get(), &samples.inputs[sample * question.inputs()],
               &samples.targets[sample * question.outputs()]);
    sample = (sample + 1) % Samples::kCount;
  });
}

}  // namespace
}  // namespace backprop::testing

int main() {
  // Memory from the heap, not mapped: two mapped arrays begin at the same
  // place in a page, and FANN's update loop, which writes two, then takes
  // three to eight times as long for some networks. It shall have its best.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  return backprop::testing::AnswerQuestions("none", backprop::testing::Measure);
}
