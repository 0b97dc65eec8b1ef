// SPDX-License-Identifier: Apache-2.0
//
// Learning-rate schedules against PyTorch's (golden/make_schedule_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/training/schedule.h"
#include "tests/engine/golden_cases.h"

namespace backprop::testing {
namespace {

struct GoldenSchedule {
  Schedule schedule;
  std::vector<float> errors;
  std::vector<double> rates;
};

void SetKind(const std::string &kind, Schedule &schedule) {
  static const std::map<std::string, ScheduleKind> kKinds = {
      {"step", ScheduleKind::kStep},
      {"exponential", ScheduleKind::kExponential},
      {"polynomial", ScheduleKind::kPolynomial},
      {"inverse_time", ScheduleKind::kInverseTime},
      {"cosine", ScheduleKind::kCosine},
      {"restarts", ScheduleKind::kCosine},
      {"plateau", ScheduleKind::kPlateau},
  };
  schedule.kind = kKinds.at(kind);
  schedule.restarts = kind == "restarts";
}

void SetField(const std::string &name, double value, Schedule &schedule) {
  const auto number = static_cast<float>(value);
  const auto count = static_cast<uint64_t>(value);
  if (name == "learning_rate") schedule.learning_rate = number;
  if (name == "warmup_steps") schedule.warmup_steps = count;
  if (name == "steps") schedule.steps = count;
  if (name == "factor") schedule.factor = number;
  if (name == "min_rate") schedule.min_rate = number;
  if (name == "power") schedule.power = number;
  if (name == "rate") schedule.rate = number;
  if (name == "period_factor") schedule.period_factor = number;
  if (name == "patience") schedule.patience = static_cast<uint32_t>(count);
  if (name == "threshold") schedule.threshold = number;
}

std::vector<GoldenSchedule> ReadSchedules() {
  std::vector<GoldenSchedule> schedules;
  for (const GoldenCase &golden : ReadGoldenCases("schedules.txt")) {
    GoldenSchedule &schedule = schedules.emplace_back();
    SetKind(golden.names[0], schedule.schedule);
    for (const auto &[word, numbers] : golden.lines) {
      if (word == "errors") {
        schedule.errors = golden.floats(word);
      } else if (word == "rates") {
        schedule.rates = numbers;
      } else {
        SetField(word, numbers[0], schedule.schedule);
      }
    }
  }
  return schedules;
}

std::string NameOf(const GoldenSchedule &golden) {
  return absl::StrCat("kind ", static_cast<int>(golden.schedule.kind),
                      " steps ", golden.schedule.steps, " warm-up ",
                      golden.schedule.warmup_steps);
}

// The rates of a run in messages of at most `piece` steps.
std::vector<float> Rates(const GoldenSchedule &golden, size_t piece) {
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
  for (const GoldenSchedule &golden : schedules) {
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
