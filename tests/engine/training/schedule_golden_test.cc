// SPDX-License-Identifier: Apache-2.0
//
// Learning-rate schedules against PyTorch's (golden/make_schedule_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/training/schedule.h"
#include "tests/engine/golden_cases.h"

namespace backprop::testing {
namespace {

struct GoldenSchedule {
  std::string kind;
  Schedule schedule;
  std::vector<float> errors;
  std::vector<double> rates;
};

Schedule MakeSchedule(const GoldenCase& golden) {
  const std::string& kind = golden.names[0];
  const auto number = [&](const char* name, float absent) {
    const std::vector<float> given = golden.floats(name);
    return given.empty() ? absent : given[0];
  };
  const auto count = [&](const char* name) {
    return static_cast<uint64_t>(number(name, 0));
  };
  Schedule schedule{.learning_rate = number("learning_rate", 0),
                    .warmup_steps = count("warmup_steps")};
  const float least = number("min_rate", 0);
  if (kind == "step") {
    schedule.kind = StepDecay{count("steps"), number("factor", 0.1F)};
  } else if (kind == "exponential") {
    schedule.kind = ExponentialDecay{number("factor", 0)};
  } else if (kind == "polynomial") {
    schedule.kind = PolynomialDecay{count("steps"), least, number("power", 1)};
  } else if (kind == "inverse_time") {
    schedule.kind = InverseTimeDecay{number("rate", 0)};
  } else if (kind == "cosine" || kind == "restarts") {
    schedule.kind = CosineDecay{count("steps"), least, kind == "restarts",
                                number("period_factor", 1)};
  } else if (kind == "plateau") {
    schedule.kind =
        ReduceOnPlateau{.window_steps = count("steps"),
                        .factor = number("factor", 0.1F),
                        .patience = static_cast<uint32_t>(count("patience")),
                        .threshold = number("threshold", 1e-4F),
                        .min_rate = least};
  } else {
    ADD_FAILURE() << kind << " is no kind of schedule";
  }
  return schedule;
}

std::vector<GoldenSchedule> ReadSchedules() {
  std::vector<GoldenSchedule> schedules;
  for (const GoldenCase& golden : ReadGoldenCases("schedules.txt")) {
    schedules.push_back({.kind = golden.names[0],
                         .schedule = MakeSchedule(golden),
                         .errors = golden.floats("errors"),
                         .rates = golden.lines.at("rates")});
  }
  return schedules;
}

std::string NameOf(const GoldenSchedule& golden) {
  return absl::StrCat(golden.kind, ", warm-up ", golden.schedule.warmup_steps);
}

// The rates of a run in messages of at most `piece` steps.
std::vector<float> Rates(const GoldenSchedule& golden, size_t piece) {
  LearningRate rate(golden.schedule);
  std::vector<float> errors = golden.errors;
  errors.resize(golden.rates.size(), 1.0F);
  std::vector<float> rates;
  while (rates.size() < errors.size()) {
    const size_t done = rates.size();
    const auto n = std::min<uint64_t>(
        {piece, errors.size() - done, rate.StepsUntilDecision()});
    for (uint64_t ahead = 0; ahead < n; ++ahead) {
      rates.push_back(rate.Rate(ahead));
    }
    rate.Record({errors.data() + done, n});
  }
  return rates;
}

TEST(ScheduleGoldenTest, RatesArePyTorchs) {
  const std::vector<GoldenSchedule> schedules = ReadSchedules();
  ASSERT_GE(schedules.size(), 14);
  for (const GoldenSchedule& golden : schedules) {
    ASSERT_TRUE(Validate(golden.schedule).empty()) << NameOf(golden);
    for (const size_t piece : {1, 3, 1000}) {
      const std::vector<float> rates = Rates(golden, piece);
      ASSERT_EQ(rates.size(), golden.rates.size());
      for (size_t t = 0; t < rates.size(); ++t) {
        ASSERT_NEAR(rates[t], golden.rates[t], 1e-7 * golden.rates[t] + 1e-9)
            << NameOf(golden) << ", step " << t + 1 << ", pieces of " << piece;
      }
    }
  }
}

}  // namespace
}  // namespace backprop::testing
