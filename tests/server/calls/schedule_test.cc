// SPDX-License-Identifier: Apache-2.0
//
// Schedules as a client sees them: in Session.learning_rate, in the scalar rows
// and in the answers of UpdateSession. Expected rates are the manual's
// formulas.
#include <cmath>
#include <functional>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

constexpr double kBase = 0.01;
constexpr float kBaseRate = 0.01F;

class ScheduleRpcTest : public ServiceTest {
 protected:
  // A session whose scalar rows hold the rate first.
  v1::Session CreateWith(const std::string& schedule) {
    return Create(With(Spec(3, {2}),
                       "layers {delta_form: DELTA_FORM_FACTORED} "
                       "optimiser {sgd {momentum: 0.5} learning_rate: 0.01 "
                       "schedule {" +
                           schedule + "}}"));
  }

  // Inputs and targets of 0: error 0 in each of n steps.
  static v1::TrainRequest WithoutError(size_t n) {
    return SamplesOf(std::vector<float>(3 * n), std::vector<float>(2 * n));
  }

  // The rates of the next n steps, from the scalar rows; messages of random
  // length. Checks Session.learning_rate before each.
  std::vector<float> Rates(const v1::Session& session, size_t n) {
    TrainCall call(stub(), session);
    std::vector<float> rates;
    while (rates.size() < n) {
      const size_t steps =
          std::min<size_t>(1 + random_() % 7, n - rates.size());
      const float shown = Get(session).learning_rate();
      const auto answer = call.Exchange(RandomSamples(session, steps, random_));
      EXPECT_FALSE(answer.has_rejection());
      const std::vector<float> scalars = Floats(answer.scalars());
      EXPECT_EQ(scalars.at(0), shown) << "after step " << answer.base_step();
      for (size_t i = 0; i < scalars.size(); i += 6) {
        rates.push_back(scalars[i]);
      }
    }
    EXPECT_TRUE(call.Finish().ok());
    return rates;
  }

  std::mt19937 random_{17};
};

TEST_F(ScheduleRpcTest, RatesFollowTheManualsFormulas) {
  struct Case {
    const char* schedule;
    std::function<double(double)> rate;  // of the age
  };
  const std::vector<Case> cases = {
      {"", [](double) { return kBase; }},
      {"step {every: 10}",
       [](double a) { return kBase * std::pow(0.1, std::floor(a / 10)); }},
      {"exponential {factor: 0.9}",
       [](double a) { return kBase * std::pow(double{0.9F}, a); }},
      {"polynomial {steps: 30 end_rate: 0.001 power: 2}",
       [](double a) {
         return 0.001 +
                (kBase - 0.001) * std::pow(1 - std::min(a, 30.0) / 30, 2);
       }},
      {"inverse_time {rate: 0.5}",
       [](double a) { return kBase / (1 + 0.5 * a); }},
      {"cosine {period_steps: 25}",
       [](double a) {
         return a >= 25 ? 0 : kBase * (1 + std::cos(M_PI * a / 25)) / 2;
       }},
      {"cosine {period_steps: 10 restarts: true period_factor: 2 "
       "min_rate: 0.002}",
       [](double a) {
         double length = 10;
         for (; a >= length; length *= 2) a -= length;
         return 0.002 + (kBase - 0.002) * (1 + std::cos(M_PI * a / length)) / 2;
       }},
      {"warmup_steps: 9 step {every: 10 factor: 0.5}",
       [](double a) {
         return a < 9 ? kBase * (a + 1) / 10
                      : kBase * std::pow(0.5, std::floor((a - 9) / 10));
       }},
  };
  for (const Case& entry : cases) {
    const v1::Session session = CreateWith(entry.schedule);
    EXPECT_NEAR(session.learning_rate(), entry.rate(0), 1e-6 * kBase);
    const std::vector<float> rates = Rates(session, 60);
    for (size_t age = 0; age < rates.size(); ++age) {
      EXPECT_NEAR(rates[age], entry.rate(static_cast<double>(age)),
                  1e-6 * kBase)
          << "'" << entry.schedule << "', age " << age;
    }
  }
}

// Windows of 4 steps of errors that don't fall: the first is the best, the two
// after it are borne, the third makes the rate fall.
TEST_F(ScheduleRpcTest, APlateauLowersTheRateAfterItsPatience) {
  const v1::Session session = CreateWith(
      "plateau {window_steps: 4 patience: 2 factor: 0.5 min_rate: 0.003}");
  TrainCall call(stub(), session);
  const std::vector<float> scalars =
      Floats(call.Exchange(WithoutError(50)).scalars());
  ASSERT_EQ(scalars.size(), 50u * 6);
  for (size_t step = 0; step < 50; ++step) {
    const size_t window = step / 4;
    const float expected = window < 4   ? kBaseRate
                           : window < 7 ? kBaseRate * 0.5F
                                        : 0.003F;
    EXPECT_FLOAT_EQ(scalars[step * 6], expected) << "step " << step + 1;
  }
  EXPECT_FLOAT_EQ(Get(session).learning_rate(), 0.003F);
}

// Windows of 4 steps, none of them borne: the rate falls after the second. An
// update of the rate after 10 steps begins a window anew, whose mean is again
// the first best; one of something else lets all go on.
TEST_F(ScheduleRpcTest, AnUpdateOfTheRateMakesAPlateauForget) {
  for (const char* path : {"optimiser.learning_rate", "digest_every"}) {
    const bool forgets = path[0] == 'o';
    const v1::Session session =
        CreateWith("plateau {window_steps: 4 patience: 0 factor: 0.5}");
    const v1::TrainRequest request = WithoutError(10);
    TrainCall call(stub(), session);
    EXPECT_EQ(Floats(call.Exchange(request).scalars()).at(9 * 6),
              kBaseRate / 2);
    Ask(&Stub::UpdateSession, UpdateOf(session, {path}, session.spec()));
    const std::vector<float> scalars = Floats(call.Exchange(request).scalars());
    for (size_t step = 0; step < 10; ++step) {
      const size_t since = forgets ? step : step + 10;
      const auto falls = static_cast<int>(since < 4 ? 0 : since / 4 - 1);
      EXPECT_EQ(scalars.at(step * 6), std::ldexp(kBaseRate, -falls))
          << path << ", step " << step;
    }
  }
}

TEST_F(ScheduleRpcTest, OfManyRowsThatAreEqualOneIsSent) {
  const v1::Session constant = CreateWith("");
  const v1::Session falling = CreateWith("exponential {factor: 0.9}");
  for (const auto& [session, rows] :
       {std::pair(constant, 1), std::pair(falling, 8)}) {
    TrainCall call(stub(), session.session_id());  // repeats no rows
    const auto answer = call.Exchange(RandomSamples(session, 8, random_));
    EXPECT_EQ(answer.scalars().size(), rows * 6 * sizeof(float));
  }
}

TEST_F(ScheduleRpcTest, AnUpdateOfRateOrScheduleBeginsTheAgeAnew) {
  const v1::Session session = CreateWith("exponential {factor: 0.5}");
  EXPECT_NEAR(Rates(session, 4).back(), kBase / 8, 1e-8);
  v1::UpdateSessionRequest request = UpdateOf(session, {"digest_every"});
  auto response = Ask(&Stub::UpdateSession, request);
  EXPECT_NEAR(response.session().learning_rate(), kBase / 16, 1e-8);
  request.mutable_update_mask()->set_paths(0, "optimiser.learning_rate");
  request.mutable_spec()->mutable_optimiser()->set_learning_rate(0.25F);
  response = Ask(&Stub::UpdateSession, request);
  EXPECT_EQ(response.session().learning_rate(), 0.25F);
  EXPECT_NEAR(Rates(session, 2).back(), 0.125, 1e-8);
  request.mutable_update_mask()->set_paths(0, "optimiser.schedule");
  response = Ask(&Stub::UpdateSession, request);
  EXPECT_EQ(response.session().learning_rate(), 0.25F);
  EXPECT_FALSE(response.session().spec().optimiser().has_schedule());
}

}  // namespace
}  // namespace backprop::testing
