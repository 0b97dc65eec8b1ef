// SPDX-License-Identifier: Apache-2.0
//
// Anchors that no session gave: each is refused by its field, and what is not
// refused leaves every step's numbers finite.
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/server/kept_session.h"
#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kInputs = 3;
constexpr uint32_t kOutputs = 2;
constexpr size_t kWeights = (kInputs + 1) * kOutputs;
constexpr uint64_t kTooMany = (uint64_t{1} << 53) + 1;

void SetNumber(std::string* bytes, size_t index, float number) {
  bytes->replace(index * sizeof(float), sizeof(float), Bytes({number}));
}

v1::SessionSpec WithText(const std::string& text) {
  return With(Spec(kInputs, {kOutputs}), text);
}

v1::SessionSpec Momentum() {
  return WithText(
      "optimiser {sgd {momentum: 0.9} "
      "schedule {plateau {window_steps: 4 patience: 2 min_rate: 0.001}}}");
}

v1::SessionSpec Adam() { return WithText("optimiser {adam {}}"); }

// Periods that grow by one step each, from 2^22: the factor is 1 + 2^-23.
v1::SessionSpec SlowlyGrowingPeriods() {
  return WithText(
      "optimiser {schedule {cosine {period_steps: 4194304 restarts: true "
      "period_factor: 1.00000012}}}");
}

v1::SessionSpec Standardised() {
  return WithText(
      "input {standardisation {mean: [0.25, 0.25, 0.25] factor: [2, 2, 2]}}");
}

v1::SessionSpec Learning() {
  return WithText("batch_size: 2 input {standardisation {learn_samples: 8}}");
}

struct Bad {
  std::string field;  // of `initial`
  std::function<void(v1::Anchor&)> spoil;
};

class BadAnchorTest : public ServiceTest {
 protected:
  // A session of this spec that has taken four samples.
  KeptSession Trained(const v1::SessionSpec& spec) {
    const v1::Session session = Create(spec);
    TrainCall call(stub(), session);
    call.Exchange(RandomSamples(session, 4, random_));
    EXPECT_TRUE(call.Finish().ok());
    return KeptSession::Of(stub(), session.session_id());
  }

  void ExpectRefused(const v1::SessionSpec& spec, const std::vector<Bad>& bad) {
    const KeptSession kept = Trained(spec);
    ASSERT_TRUE(TryCreate(kept.Request()).ok());
    for (size_t i = 0; i < bad.size(); ++i) {
      SCOPED_TRACE(i);
      v1::CreateSessionRequest request = kept.Request();
      bad[i].spoil(*request.mutable_initial());
      EXPECT_THAT(
          TryCreate(request),
          IsInvalid(ElementsAre(absl::StrCat("initial.", bad[i].field))));
    }
  }

  std::mt19937 random_{37};
};

Bad Weight(float number) {
  return {"weights", [number](auto& a) {
            SetNumber(a.mutable_weights(), kWeights - 1, number);
            a.clear_digest();
          }};
}

Bad State(size_t index, float number) {
  return {"state", [index, number](auto& a) {
            SetNumber(a.mutable_state(), index, number);
          }};
}

// What a text, of a v1::Anchor, sets or appends.
Bad Text(const std::string& field, const std::string& text) {
  return {field, [text](auto& a) {
            EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &a))
                << text;
          }};
}

// The same by the path of what is set, which is the field to be refused:
// Set("continuation.rule", "77") is "continuation: {rule: 77}".
Bad Set(const std::string& path, const char* value) {
  const auto depth = std::count(path.begin(), path.end(), '.');
  return Text(path, absl::StrReplaceAll(path, {{".", ": {"}}) + ": " + value +
                        std::string(static_cast<size_t>(depth), '}'));
}

// What a session that has learnt from no sample yet says.
void Empty(v1::StandardisationSums& learning) {
  learning.set_samples(0);
  learning.clear_least();
  learning.clear_largest();
  for (double& mean : *learning.mutable_mean()) mean = 0;
  for (double& spread : *learning.mutable_spread()) spread = 0;
}

auto Learnt(std::function<void(v1::StandardisationSums&)> spoil) {
  return [spoil](v1::Anchor& a) {
    spoil(*a.mutable_continuation()->mutable_learning());
  };
}

TEST_F(BadAnchorTest, WeightsAndCountsAreRefusedByField) {
  ExpectRefused(
      Spec(kInputs, {kOutputs}),
      {{"weights", [](auto& a) { a.clear_weights(); }},
       {"weights", [](auto& a) { a.mutable_weights()->pop_back(); }},
       {"weights", [](auto& a) { a.mutable_weights()->append(4, 0); }},
       Weight(NAN),
       Weight(INFINITY),
       Weight(-INFINITY),
       Weight(std::nextafter(0x1p121F, INFINITY)),
       Weight(-std::nextafter(0x1p121F, INFINITY)),
       {"digest", [](auto& a) { a.set_digest(a.digest() + 1); }},
       {"digest", [](auto& a) { SetNumber(a.mutable_weights(), 0, 3); }},
       {"state", [](auto& a) { a.set_state(Bytes({0})); }},
       Set("step", "9007199254740993"),
       Set("next_offset", "9007199254740993"),
       Set("continuation.state_age", "9007199254740993"),
       Set("continuation.schedule_age", "9007199254740993"),
       Set("continuation.rule", "77"),
       // In a byte it would be RULE_NONE.
       Set("continuation.rule", "257"),
       Set("continuation.rule", "RULE_MOMENTUM"),
       Set("continuation.plateau", "{}"),
       Set("continuation.learning", "{}")});
}

TEST_F(BadAnchorTest, MomentumsStateAndPlateauAreRefusedByField) {
  ExpectRefused(Momentum(),
                {{"state", [](auto& a) { a.mutable_state()->pop_back(); }},
                 {"state", [](auto& a) { a.mutable_state()->append(4, 0); }},
                 {"state", [](auto& a) { a.clear_state(); }},
                 Set("continuation.state_age", "0"),
                 {"continuation.rule", [](auto& a) { a.clear_continuation(); }},
                 State(0, NAN),
                 State(kWeights - 1, std::nextafter(0x1p72F, INFINITY)),
                 State(kWeights - 1, -std::nextafter(0x1p72F, INFINITY)),
                 Set("continuation.plateau.window_sum", "nan"),
                 Set("continuation.plateau.window_steps", "4"),
                 Set("continuation.plateau.best", "inf"),
                 Set("continuation.plateau.bad_windows", "3"),
                 Set("continuation.plateau.rate", "0.06"),
                 Set("continuation.plateau.rate", "0.0009"),
                 Set("continuation.plateau.rate", "nan")});
}

TEST_F(BadAnchorTest, AnAgeOfMillionsOfPeriodsIsRefused) {
  ExpectRefused(SlowlyGrowingPeriods(),
                {Set("continuation.schedule_age", "9007199254740992")});
}

TEST_F(BadAnchorTest, AnotherStandardisationThanTheSpecsIsRefused) {
  ExpectRefused(
      Standardised(),
      {{"standardisation",
        [](auto& a) { a.mutable_standardisation()->set_mean(2, 0.5F); }},
       {"standardisation",
        [](auto& a) { a.mutable_standardisation()->set_factor(0, NAN); }},
       Set("standardisation", "{mean: 0}"),
       {"standardisation",
        [](auto& a) { a.mutable_standardisation()->clear_factor(); }}});
  ExpectRefused(
      Spec(kInputs, {kOutputs}),
      {Set("standardisation", "{mean: [0, 0, 0] factor: [1, 1, 1]}")});
  const KeptSession kept = Trained(Standardised());
  v1::CreateSessionRequest request = kept.Request();
  request.mutable_initial()->clear_standardisation();
  EXPECT_TRUE(TryCreate(request).ok()) << "the spec's own holds";
}

TEST_F(BadAnchorTest, OtherOptimisersStateIsRefusedByField) {
  const float m = std::nextafter(0x1p48F, INFINITY);
  const float v = std::nextafter(0x1p96F, INFINITY);
  ExpectRefused(Adam(), {State(0, m), State(0, -m), State(0, NAN),
                         State(kWeights, v), State(2 * kWeights - 1, -1e-30F),
                         State(2 * kWeights - 1, INFINITY)});
  ExpectRefused(WithText("optimiser {rms_prop {}}"),
                {State(0, v), State(0, -1e-30F), State(0, NAN)});
  ExpectRefused(WithText("optimiser {adagrad {}}"),
                {State(0, std::nextafter(0x1p121F, INFINITY)),
                 State(0, -1e-30F), State(0, NAN)});
}

// Of these kinds all but SGD without momentum and Adam have one vector of
// state.
TEST_F(BadAnchorTest, StateOfAnotherRuleIsRefusedThoughItIsAsLong) {
  const struct {
    const char* kind;
    v1::Rule rule;
  } kinds[] = {
      {"sgd {}", v1::RULE_NONE},
      {"sgd {} l2: 0.01", v1::RULE_SGD},
      {"sgd {momentum: 0.9}", v1::RULE_MOMENTUM},
      {"sgd {momentum: 0.9 nesterov: true}", v1::RULE_NESTEROV},
      {"adagrad {}", v1::RULE_ADAGRAD},
      {"rms_prop {}", v1::RULE_RMS_PROP},
      {"adam {}", v1::RULE_ADAM},
      {"lion {}", v1::RULE_LION},
  };
  const std::set<std::set<v1::Rule>> pairs = {
      {v1::RULE_NONE, v1::RULE_SGD}, {v1::RULE_MOMENTUM, v1::RULE_NESTEROV}};
  for (const auto& origin : kinds) {
    const KeptSession kept =
        Trained(WithText(absl::StrCat("optimiser {", origin.kind, "}")));
    EXPECT_EQ(kept.anchor.continuation().rule(), origin.rule);
    for (const auto& other : kinds) {
      SCOPED_TRACE(absl::StrCat(origin.kind, " to ", other.kind));
      v1::CreateSessionRequest request = kept.Request();
      *request.mutable_spec() =
          WithText(absl::StrCat("optimiser {", other.kind, "}"));
      const grpc::Status status = TryCreate(request);
      if (origin.rule == other.rule ||
          pairs.contains({origin.rule, other.rule})) {
        EXPECT_TRUE(status.ok()) << status.error_message();
        continue;
      }
      EXPECT_THAT(Fields(status), ElementsAre("initial.continuation.rule"));
      EXPECT_THAT(status.error_message(),
                  ::testing::HasSubstr(v1::Rule_Name(origin.rule)));
      EXPECT_THAT(status.error_message(),
                  ::testing::HasSubstr(v1::Rule_Name(other.rule)));
      request.mutable_initial()->clear_state();
      request.mutable_initial()->clear_continuation();
      EXPECT_TRUE(TryCreate(request).ok()) << "weights fit any rule";
    }
  }
}

// Nobody knows what the numbers are, be they as many as fit; without them there
// is nothing to know.
TEST_F(BadAnchorTest, StateOfNoRuleIsRefused) {
  const auto forget = [](auto& a) { a.mutable_continuation()->clear_rule(); };
  ExpectRefused(Adam(), {{"continuation.rule", forget}});
  v1::CreateSessionRequest request =
      Trained(Spec(kInputs, {kOutputs})).Request();
  forget(*request.mutable_initial());
  EXPECT_TRUE(TryCreate(request).ok());
}

TEST_F(BadAnchorTest, LearningIsRefusedByField) {
  ExpectRefused(
      Learning(),
      {Set("continuation.learning.samples", "8"),
       Set("continuation.learning.samples", "3"),
       Set("continuation.learning.mean", "1"),
       {"continuation.learning.mean[2]",
        Learnt([](auto& l) { l.set_mean(2, 1e39); })},
       {"continuation.learning.mean[0]",
        Learnt([](auto& l) { l.set_mean(0, NAN); })},
       {"continuation.learning.spread",
        Learnt([](auto& l) { l.clear_spread(); })},
       {"continuation.learning.least",
        Learnt([](auto& l) { l.clear_least(); })},
       {"continuation.learning.largest[1]",
        Learnt([](auto& l) { l.set_largest(1, INFINITY); })},
       {"continuation.learning.spread[1]",
        Learnt([](auto& l) { l.set_spread(1, -1); })},
       {"continuation.learning.spread[1]",
        Learnt([](auto& l) { l.set_spread(1, INFINITY); })},
       Text("standardisation.mean", "standardisation {factor: [1, 1, 1]}"),
       Text("standardisation.factor[0]",
            "standardisation {mean: [0, 0, 0] factor: [inf, inf, inf]}")});
}

TEST_F(BadAnchorTest, LearningThatNoSamplesMakeIsRefused) {
  ExpectRefused(Learning(),
                {{"continuation.learning.mean[0]", Learnt([](auto& l) {
                    Empty(l);
                    l.set_mean(0, 1);
                  })},
                 {"continuation.learning.spread[2]", Learnt([](auto& l) {
                    Empty(l);
                    l.set_spread(2, 1);
                  })},
                 {"continuation.learning.least[1]", Learnt([](auto& l) {
                    l.set_least(1, std::nextafter(l.largest(1), INFINITY));
                  })},
                 {"continuation.learning", [](auto& a) {
                    a.mutable_continuation()->clear_learning();
                  }}});
}

// The largest numbers that are let in, in every place at once.
TEST_F(BadAnchorTest, WhatIsLetInNeverBecomesInfinite) {
  struct Extreme {
    v1::SessionSpec spec;
    std::vector<float> state;  // a number for each vector
    v1::Rule rule = v1::RULE_ADAM;
  };
  const Extreme extremes[] = {
      {Adam(), {0x1p48F, 0}},
      {Adam(), {-0x1p48F, 0x1p96F}},
      {Adam(), {0, 0x1p-149F}},
      {WithText("optimiser {sgd {momentum: 0.99999994}}"),  // 1 - 2^-24
       {0x1p72F},
       v1::RULE_MOMENTUM},
      {WithText("optimiser {adagrad {}}"), {0x1p121F}, v1::RULE_ADAGRAD},
      {WithText("optimiser {rms_prop {}}"), {0x1p96F}, v1::RULE_RMS_PROP}};
  for (const float weight : {0.0F, 0x1p121F, -0x1p121F}) {
    for (const float rate : {1e-38F, 0.01F, 1e30F}) {
      for (size_t e = 0; e < std::size(extremes); ++e) {
        SCOPED_TRACE(::testing::Message() << e << ' ' << weight << ' ' << rate);
        v1::CreateSessionRequest request;
        *request.mutable_spec() = extremes[e].spec;
        request.mutable_spec()->mutable_optimiser()->set_learning_rate(rate);
        v1::Anchor& initial = *request.mutable_initial();
        initial.set_weights(Bytes(std::vector<float>(kWeights, weight)));
        for (const float number : extremes[e].state) {
          *initial.mutable_state() +=
              Bytes(std::vector<float>(kWeights, number));
        }
        initial.mutable_continuation()->set_rule(extremes[e].rule);
        for (const uint64_t age : {uint64_t{1}, kTooMany - 1}) {
          initial.mutable_continuation()->set_state_age(age);
          const v1::Session session = Create(request);
          TrainCall call(stub(), session);
          for (int i = 0; i < 3; ++i) {
            const auto answer =
                call.Exchange(RandomSamples(session, 5, random_));
            if (answer.has_rejection()) {
              EXPECT_EQ(Reason(answer.rejection()), "NON_FINITE_STEP");
            }
          }
          EXPECT_TRUE(call.Finish().ok());
          for (const float number : WeightsAndState(session)) {
            ASSERT_TRUE(std::isfinite(number));
          }
        }
      }
    }
  }
}

TEST_F(BadAnchorTest, StateIsCountedBeforeItIsThere) {
  const KeptSession kept = Trained(Adam());
  StartWith([](auto& o) { o.max_total_weights = 3 * kWeights - 1; });
  EXPECT_EQ(Fields(TryCreate(kept.Request())),
            std::vector<std::string>{"spec"});  // no deletion makes room
  StartWith([](auto& o) { o.max_total_weights = 3 * kWeights; });
  EXPECT_TRUE(TryCreate(kept.Request()).ok());
}

TEST_F(BadAnchorTest, BeyondTheLargestMessageItIsRefusedAndTheLimitNamed) {
  StartWith([](auto& o) { o.max_message_bytes = 5000; });
  v1::CreateSessionRequest request;
  *request.mutable_spec() = Spec(100, {10});
  request.mutable_initial()->set_weights(std::string(1010 * 4, '\0'));
  EXPECT_TRUE(TryCreate(request).ok());
  request.mutable_spec()->mutable_optimiser()->mutable_adam();
  request.mutable_initial()->set_state(std::string(2 * 1010 * 4, '\0'));
  const grpc::Status status = TryCreate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("5000"));
}

}  // namespace
}  // namespace backprop::testing
