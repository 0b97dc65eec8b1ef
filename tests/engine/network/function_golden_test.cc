// SPDX-License-Identifier: Apache-2.0
//
// Activations and losses against PyTorch's (golden/make_function_golden.py).
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"
#include "tests/engine/function_names.h"

namespace backprop::testing {
namespace {

struct GoldenCase {
  std::string activation;
  std::string loss;
  std::map<std::string, std::vector<double>> lines;  // by their first word

  std::vector<float> floats(const std::string& word) const {
    const auto found = lines.find(word);
    if (found == lines.end()) return {};
    return {found->second.begin(), found->second.end()};
  }
};

std::vector<GoldenCase> ReadCases() {
  std::ifstream file(absl::StrCat(BACKPROP_GOLDEN_FOLDER, "/functions.txt"));
  std::vector<GoldenCase> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "#") continue;
    if (word == "case") {
      words >> cases.emplace_back().activation >> cases.back().loss;
      continue;
    }
    for (double value; words >> value;) {
      cases.back().lines[word].push_back(value);
    }
  }
  return cases;
}

NetworkSpec NetworkOf(const GoldenCase& golden) {
  NetworkSpec network;
  network.input_size = 1;
  network.layers = {{.size = golden.floats("z").size(),
                     .activation = ActivationNamed(golden.activation),
                     .negative_scale = golden.floats("negative_scale")[0]}};
  network.loss = LossNamed(golden.loss);
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
    EXPECT_NEAR(numbers[i], golden[i], 1e-6) << name << " " << i;
  }
}

TEST(FunctionGoldenTest, OutputsErrorsAndSignalsArePyTorchs) {
  for (const GoldenCase& golden : ReadCases()) {
    const std::string name = absl::StrCat(golden.activation, " ", golden.loss);
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
    EXPECT_NEAR(error, golden.lines.at("error")[0], 1e-6 * (1 + error)) << name;
  }
}

// A file that lost half its cases would prove half as much.
TEST(FunctionGoldenTest, EveryPairThatIsAllowedIsThere) {
  std::set<std::string> golden;
  for (const GoldenCase& known : ReadCases()) {
    golden.insert(absl::StrCat(known.activation, " ", known.loss));
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
