// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/golden_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/engine/function_names.h"

namespace backprop::testing {
namespace {

Vector Numbers(std::istream& line) {
  Vector numbers;
  for (double number = 0; line >> number;) numbers.push_back(number);
  EXPECT_TRUE(line.eof()) << "not a number";
  return numbers;
}

LayerSpec Layer(std::istream& line) {
  LayerSpec layer;
  std::string name;
  line >> layer.size >> name;
  layer.activation = ActivationNamed(name);
  return layer;
}

// One of a step's lines.
void AddToStep(const std::string& word, const Vector& numbers,
               GoldenStep& step) {
  if (word == "targets") step.targets = numbers;
  if (word == "outputs") step.outputs = numbers;
  if (word == "error") step.error = numbers.at(0);
  if (word == "gradient") step.gradient = numbers;
  if (word == "weights") step.weights = numbers;
}

void AddLine(const std::string& word, std::istream& line, GoldenRun& run) {
  if (word == "input_size") {
    line >> run.network.input_size;
  } else if (word == "scale") {
    line >> run.network.huber_delta;
  } else if (word == "layer") {
    run.network.layers.push_back(Layer(line));
    run.network.layers.back().negative_scale = run.network.huber_delta;
  } else if (word == "loss") {
    std::string name;
    line >> name;
    run.network.loss = LossNamed(name);
  } else if (word == "batch_size") {
    line >> run.batch_size;
  } else if (word == "learning_rate") {
    line >> run.learning_rate;
  } else if (word == "inputs") {  // begins a step
    run.steps.emplace_back().inputs = Numbers(line);
  } else if (run.steps.empty()) {
    EXPECT_EQ(word, "weights");
    run.weights = Numbers(line);
  } else {
    AddToStep(word, Numbers(line), run.steps.back());
  }
}

GoldenRun Read(const std::filesystem::path& path) {
  GoldenRun run;
  run.name = path.stem().string();
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    if (text.starts_with('#')) continue;
    std::istringstream line(text);
    std::string word;
    line >> word;
    AddLine(word, line, run);
  }
  return run;
}

}  // namespace

std::vector<GoldenRun> ReadGoldenRuns() {
  std::vector<GoldenRun> runs;
  for (const auto& entry :
       std::filesystem::directory_iterator("tests/engine/golden/runs")) {
    runs.push_back(Read(entry.path()));
  }
  std::ranges::sort(runs, {}, &GoldenRun::name);
  return runs;
}

}  // namespace backprop::testing
