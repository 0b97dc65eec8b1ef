// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/golden_cases.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace backprop::testing {

std::vector<float> GoldenCase::floats(const std::string& word) const {
  const auto found = lines.find(word);
  if (found == lines.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<GoldenCase> ReadGoldenCases(const std::string& file_name) {
  std::ifstream file("tests/engine/golden/" + file_name);
  std::vector<GoldenCase> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "case") {
      cases.emplace_back();
      while (words >> word) cases.back().names.push_back(word);
      continue;
    }
    std::vector<double>& numbers = cases.back().lines[word];
    for (double number = 0; words >> number;) numbers.push_back(number);
    EXPECT_TRUE(words.eof()) << file_name << " has no number in: " << line;
  }
  EXPECT_FALSE(cases.empty()) << file_name;
  return cases;
}

}  // namespace backprop::testing
