// SPDX-License-Identifier: Apache-2.0
//
// Activations and losses against PyTorch's (golden/make_function_golden.py).
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"
#include "tests/engine/function_names.h"
#include "tests/engine/golden_cases.h"

namespace backprop::testing {
namespace {

NetworkSpec NetworkOf(const GoldenCase& golden) {
  NetworkSpec network;
  network.input_size = 1;
  network.layers = {{.size = golden.floats("z").size(),
                     .activation = ActivationNamed(golden.names[0]),
                     .negative_scale = golden.floats("negative_scale")[0]}};
  network.loss = LossNamed(golden.names[1]);
  const std::vector<float> smoothing = golden.floats("label_smoothing");
  if (!smoothing.empty()) network.label_smoothing = smoothing[0];
  const std::vector<float> delta = golden.floats("huber_delta");
  if (!delta.empty()) network.huber_delta = delta[0];
  network.class_weights = golden.floats("class_weights");
  return network;
}

void ExpectNear(const std::vector<float>& numbers,
                const std::vector<double>& golden, const std::string& name) {
  ASSERT_EQ(numbers.size(), golden.size()) << name;
  for (size_t i = 0; i < golden.size(); ++i) {
    EXPECT_NEAR(numbers[i], golden[i], 1e-6 * (1 + std::fabs(golden[i])))
        << name << " " << i;
  }
}

TEST(FunctionGoldenTest, OutputsErrorsAndSignalsArePyTorchs) {
  for (const GoldenCase& golden : ReadGoldenCases("functions.txt")) {
    const std::string name = absl::StrJoin(golden.names, " ");
    const NetworkSpec network = NetworkOf(golden);
    ASSERT_TRUE(Validate(network).empty()) << name;
    const std::vector<float> z = golden.floats("z");
    const std::vector<float> targets = golden.floats("targets");
    std::vector<float> outputs(z.size());
    std::vector<float> signal(z.size());
    Activate(network.layers[0], z, outputs);
    const double error = ErrorAndSignal(network, {z, outputs, targets}, signal);
    ExpectNear(outputs, golden.lines.at("outputs"), name + " outputs");
    ExpectNear(signal, golden.lines.at("signal"), name + " signal");
    EXPECT_NEAR(error, golden.lines.at("error")[0],
                1e-6 * (1 + std::fabs(error)))
        << name;
  }
}

// A file that lost half its cases would prove half as much.
TEST(FunctionGoldenTest, EveryPairThatIsAllowedIsThere) {
  std::set<std::string> golden;
  for (const GoldenCase& known : ReadGoldenCases("functions.txt")) {
    golden.insert(absl::StrJoin(known.names, " "));
  }
  std::set<std::string> allowed;
  for (const Loss loss : EveryLoss()) {
    for (const Activation activation : EveryActivation()) {
      NetworkSpec network;
      network.input_size = 1;
      network.layers = {{.size = 5, .activation = activation}};
      network.loss = loss;
      if (!Validate(network).empty()) continue;
      allowed.insert(absl::StrCat(Name(activation), " ", Name(loss)));
    }
  }
  EXPECT_EQ(golden, allowed);
}

}  // namespace
}  // namespace backprop::testing
