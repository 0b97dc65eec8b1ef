// SPDX-License-Identifier: Apache-2.0
//
// Rows of build/benchmark.json and how they are printed.
#ifndef BACKPROP_TESTS_BENCHMARK_FIGURES_H_
#define BACKPROP_TESTS_BENCHMARK_FIGURES_H_

#include <string>
#include <vector>

namespace backprop::testing {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  std::string peer;  // empty: none
  double peer_value = 0;
};

double Median(std::vector<double> values);

// Prints a table, headed by the kernels that were measured; writes the rows as
// a JSON list, behind one that says on which machine and day, unless path is
// empty.
void Report(const std::string& kernels, const std::vector<Figure>& figures,
            const std::string& path);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_BENCHMARK_FIGURES_H_
