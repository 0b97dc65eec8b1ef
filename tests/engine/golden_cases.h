// SPDX-License-Identifier: Apache-2.0
//
// Golden files of several cases, as golden/golden_file.py writes them.
#ifndef BACKPROP_TESTS_ENGINE_GOLDEN_CASES_H_
#define BACKPROP_TESTS_ENGINE_GOLDEN_CASES_H_

#include <map>
#include <string>
#include <vector>

namespace backprop::testing {

struct GoldenCase {
  std::vector<std::string> names;                    // what "case" says
  std::map<std::string, std::vector<double>> lines;  // by their first word

  // A line's numbers; none where the case has no such line.
  std::vector<float> floats(const std::string& word) const;
};

// The cases of a file of the golden folder, in its order. Fails the test if it
// cannot be understood.
std::vector<GoldenCase> ReadGoldenCases(const std::string& file_name);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_GOLDEN_CASES_H_
