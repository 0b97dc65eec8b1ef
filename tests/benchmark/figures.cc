// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/figures.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace backprop::testing {
namespace {

// What /proc/cpuinfo says of the last core.
std::map<std::string, std::string> ProcessorFacts() {
  std::map<std::string, std::string> facts;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const absl::string_view text = line;
    facts.insert_or_assign(
        std::string(absl::StripAsciiWhitespace(text.substr(0, colon))),
        std::string(absl::StripAsciiWhitespace(text.substr(colon + 1))));
  }
  return facts;
}

std::string Processor() {
  const auto facts = ProcessorFacts();
  std::string numbers;
  for (const char* const name : {"cpu family", "model"}) {
    const auto fact = facts.find(name);
    if (fact == facts.end()) continue;
    numbers += (numbers.empty() ? "" : ", ") + fact->first + " " + fact->second;
  }
  utsname system{};
  uname(&system);
  const auto name = facts.find("model name");
  return (name == facts.end() ? system.machine : name->second) + " (" +
         (numbers.empty() ? "unknown" : numbers) + ")";
}

// As figures.py's.
nlohmann::json Machine() {
  const std::time_t now = std::time(nullptr);
  char date[sizeof "2026-11-28"];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return {{"name", "machine"},
          {"value", std::thread::hardware_concurrency()},
          {"unit", "cores"},
          {"processor", Processor()},
          {"date", date}};
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Report(const std::string& kernels, const std::vector<Figure>& figures,
            const std::string& path) {
  nlohmann::json list = nlohmann::json::array({Machine()});
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
