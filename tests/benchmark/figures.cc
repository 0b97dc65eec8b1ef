// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/figures.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace backprop::testing {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Report(const std::string& kernels, const std::vector<Figure>& figures,
            const std::string& path) {
  nlohmann::json list = nlohmann::json::array();
  std::printf("%-36s %12s %-10s %-30s %12s %8s\n", kernels.c_str(), "value",
              "unit", "peer", "peer value", "ratio");
  for (const Figure& figure : figures) {
    nlohmann::json entry = {{"name", figure.name},
                            {"value", figure.value},
                            {"unit", figure.unit},
                            {"kernels", kernels}};
    if (figure.peer.empty()) {
      std::printf("%-36s %12.1f %-10s\n", figure.name.c_str(), figure.value,
                  figure.unit.c_str());
    } else {
      const double ratio = figure.value / figure.peer_value;
      entry["peer"] = figure.peer;
      entry["peer_value"] = figure.peer_value;
      entry["ratio"] = ratio;
      std::printf("%-36s %12.1f %-10s %-30s %12.1f %8.4g\n",
                  figure.name.c_str(), figure.value, figure.unit.c_str(),
                  figure.peer.c_str(), figure.peer_value, ratio);
    }
    list.push_back(entry);
  }
  if (!path.empty()) std::ofstream(path) << list.dump(2) << "\n";
}

}  // namespace backprop::testing
