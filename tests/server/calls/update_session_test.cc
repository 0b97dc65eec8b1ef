// SPDX-License-Identifier: Apache-2.0
//
// UpdateSession: what it changes, what it refuses, and when it takes effect.
#include <atomic>
#include <string_view>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr char kPlain[] = "optimiser {sgd {}}";
constexpr char kMomentum[] = "optimiser {sgd {momentum: 0.5}}";
constexpr char kAdam[] = "optimiser {adam {}}";

class UpdateSessionTest : public ServiceTest {
 protected:
  static v1::SessionSpec AdamSpec() { return With(Spec(4, {6, 3}), kAdam); }

  std::mt19937 random_{3};
};

TEST_F(UpdateSessionTest, ChangesWhatTheMaskNamesAndNothingElse) {
  const v1::Session session = Create(AdamSpec());
  const auto response =
      Ask(&Stub::UpdateSession,
          UpdateOf(session,
                   {"optimiser.l2", "optimiser.adam.beta1", "digest_every",
                    "layers.dropout"},
                   With({},
                        "layers {dropout: 0.5} layers {} digest_every: 3 "
                        "optimiser {l2: 0.5 l1: 0.25 "  // not named: l1, beta2
                        "adam {beta1: 0.5 beta2: 0.25}}")));
  const v1::SessionSpec expected =
      With(session.spec(),
           "layers {dropout: 0.5} digest_every: 3 "
           "optimiser {l2: 0.5 adam {beta1: 0.5}}");
  EXPECT_EQ(response.session().spec().DebugString(), expected.DebugString());
  EXPECT_EQ(response.first_step(), 1u);
  const v1::Session now = Get(session);
  EXPECT_EQ(now.spec().DebugString(), expected.DebugString());
  EXPECT_EQ(now.layout().DebugString(), session.layout().DebugString());
}

// Of a spec that sets whatever an update could lose.
TEST_F(UpdateSessionTest, WhatNoPathNamesStaysAsItWas) {
  const v1::Session session =
      Create(With(AdamSpec(),
                  "layers {delta_form: DELTA_FORM_DENSE} batch_size: 2 "
                  "dropout_seed: 7 display_name: 'mice' "
                  "input {element_type: ELEMENT_TYPE_UINT8 "
                  "scale: 0.5 standardisation {learn_samples: 4 "
                  "min_deviation: 0.25}}"));
  ASSERT_EQ(session.spec().input().standardisation().min_deviation(), 0.25F);
  const auto response =
      Ask(&Stub::UpdateSession,
          UpdateOf(session, {"digest_every"}, With({}, "digest_every: 3")));
  EXPECT_EQ(response.session().spec().DebugString(),
            With(session.spec(), "digest_every: 3").DebugString());
}

struct Path {
  const char* spec;  // what the session has beside Spec(4, {6, 3})
  const char* path;
  const char* set;
};

const Path kPaths[] = {
    {kMomentum, "optimiser.learning_rate", "optimiser {learning_rate: 0.125}"},
    {kMomentum, "optimiser.schedule",
     "optimiser {schedule {step {every: 5 factor: 0.5}}}"},
    {kMomentum, "optimiser.l2", "optimiser {l2: 0.5}"},
    {kMomentum, "optimiser.l1", "optimiser {l1: 0.5}"},
    {kMomentum, "optimiser.decoupled_decay",
     "optimiser {decoupled_decay: 0.5}"},
    {kMomentum, "optimiser.clipping", "optimiser {clipping {max_norm: 2}}"},
    {kMomentum, "digest_every", "digest_every: 9"},
    {kMomentum, "optimiser.sgd.momentum", "optimiser {sgd {momentum: 0.75}}"},
    {"optimiser {adagrad {}}", "optimiser.adagrad.epsilon",
     "optimiser {adagrad {epsilon: 0.5}}"},
    {"optimiser {rms_prop {}}", "optimiser.rms_prop.decay",
     "optimiser {rms_prop {decay: 0.5}}"},
    {"optimiser {rms_prop {}}", "optimiser.rms_prop.epsilon",
     "optimiser {rms_prop {epsilon: 0.5}}"},
    {kAdam, "optimiser.adam.beta1", "optimiser {adam {beta1: 0}}"},
    {kAdam, "optimiser.adam.beta2", "optimiser {adam {beta2: 0.5}}"},
    {kAdam, "optimiser.adam.epsilon", "optimiser {adam {epsilon: 0.5}}"},
    {"optimiser {lion {}}", "optimiser.lion.beta1",
     "optimiser {lion {beta1: 0}}"},
    {"optimiser {lion {}}", "optimiser.lion.beta2",
     "optimiser {lion {beta2: 0.5}}"},
    {"optimiser {adam {}} loss: LOSS_CROSS_ENTROPY", "label_smoothing",
     "label_smoothing: 0.5"},
    {"optimiser {adam {}} loss: LOSS_CROSS_ENTROPY", "class_weights",
     "class_weights: [1, 2, 3]"},
    {"optimiser {adam {}} loss: LOSS_HUBER", "huber_delta", "huber_delta: 0.5"},
    {kAdam, "display_name", "display_name: 'mice'"},
    {kMomentum, "layers.dropout", "layers {dropout: 0.5} layers {}"},
};

// Whether 0, what a path has that is named but not set, is no value for it.
bool NeedsAValue(const std::string& path) {
  return path == "optimiser.learning_rate" ||
         path == "optimiser.sgd.momentum" || path == "layers.dropout";
}

TEST_F(UpdateSessionTest, EveryPathOfTheManualIsTaken) {
  for (const Path& entry : kPaths) {
    SCOPED_TRACE(entry.path);
    const v1::Session session = Create(With(Spec(4, {6, 3}), entry.spec));
    auto request = UpdateOf(session, {entry.path}, With({}, entry.set));
    auto response = Ask(&Stub::UpdateSession, request);
    const v1::SessionSpec expected = With(session.spec(), entry.set);
    EXPECT_EQ(response.session().spec().DebugString(), expected.DebugString());
    EXPECT_NE(expected.DebugString(), session.spec().DebugString());
    // Named but not set: back to the default.
    request.clear_spec();
    EXPECT_EQ(Call(&Stub::UpdateSession, request, &response).ok(),
              !NeedsAValue(entry.path));
    if (!NeedsAValue(entry.path) && std::string_view(entry.spec) != kMomentum) {
      EXPECT_EQ(response.session().spec().DebugString(),
                session.spec().DebugString());
    }
  }
}

struct BadUpdate {
  const char* spec;  // what the session has beside Spec(4, {6, 3})
  std::vector<const char*> paths;
  const char* set;
  std::vector<std::string> fields;
};

std::vector<BadUpdate> BadUpdates() {
  return {
      {kPlain, {}, "", {"update_mask"}},
      {kPlain, {"input_size"}, "", {"update_mask.paths[0]"}},
      {kPlain, {"optimiser"}, "", {"update_mask.paths[0]"}},
      {kPlain, {""}, "", {"update_mask.paths[0]"}},
      {kPlain, {"digest_every", "layers.size"}, "", {"update_mask.paths[1]"}},
      {kPlain, {"optimiser.adam.beta1"}, "", {"update_mask.paths[0]"}},
      {kAdam, {"optimiser.sgd.momentum"}, "", {"update_mask.paths[0]"}},
      {kPlain,
       {"optimiser.learning_rate"},
       "",
       {"spec.optimiser.learning_rate"}},
      {kPlain,
       {"digest_every", "optimiser.learning_rate"},
       "optimiser {learning_rate: nan}",
       {"spec.optimiser.learning_rate"}},
      {kPlain,
       {"optimiser.schedule"},
       "optimiser {schedule {step {}}}",
       {"spec.optimiser.schedule.step.every"}},
      {kAdam,
       {"optimiser.l2", "optimiser.adam.beta2"},
       "optimiser {l2: -1 adam {beta2: 1}}",
       {"spec.optimiser.adam.beta2", "spec.optimiser.l2"}},
      {kPlain,
       {"optimiser.sgd.momentum"},
       kMomentum,
       {"spec.optimiser.sgd.momentum"}},
      {kMomentum,
       {"optimiser.sgd.momentum"},
       "",
       {"spec.optimiser.sgd.momentum"}},
      {kPlain,
       {"optimiser.l2", "optimiser.l1", "optimiser.decoupled_decay",
        "optimiser.clipping"},
       "optimiser {l2: 0.1 l1: 0.1 decoupled_decay: 0.1 "
       "clipping {max_value: 1}}",
       {"spec.optimiser.l2", "spec.optimiser.l1",
        "spec.optimiser.decoupled_decay", "spec.optimiser.clipping.max_value"}},
      {kPlain, {"layers.dropout"}, "layers {}", {"spec.layers"}},
      {kPlain,
       {"layers.dropout"},
       "layers {dropout: 1} layers {}",
       {"spec.layers[0].dropout"}},
      {kPlain,
       {"label_smoothing"},
       "label_smoothing: 0.5",
       {"spec.label_smoothing"}},
      {kPlain, {"class_weights"}, "class_weights: 1", {"spec.class_weights"}},
      {kPlain, {"display_name"}, "display_name: '\\t'", {"spec.display_name"}},
  };
}

TEST_F(UpdateSessionTest, BadUpdatesNameTheFieldAndChangeNothing) {
  for (const BadUpdate& entry : BadUpdates()) {
    SCOPED_TRACE(entry.fields[0]);
    const v1::Session session = Create(With(Spec(4, {6, 3}), entry.spec));
    EXPECT_THAT(Try(&Stub::UpdateSession,
                    UpdateOf(session, entry.paths,
                             With(With({}, entry.set), "digest_every: 77"))),
                IsInvalid(::testing::UnorderedElementsAreArray(entry.fields)));
    EXPECT_EQ(Get(session).spec().DebugString(), session.spec().DebugString());
  }
}

TEST_F(UpdateSessionTest, AMaskOfAMillionPathsIsOneViolation) {
  const v1::Session session = Create(AdamSpec());
  const v1::UpdateSessionRequest request =
      UpdateOf(session, std::vector<const char*>(1'000'000, "x"));
  EXPECT_THAT(Fields(Try(&Stub::UpdateSession, request)),
              ElementsAre("update_mask"));
}

TEST_F(UpdateSessionTest, DecayTakenFromASessionKeepsItsLayout) {
  const v1::Session session =
      Create(With(AdamSpec(), "optimiser {sgd {} l2: 0.1}"));
  ASSERT_EQ(session.layout().factor_kind(), v1::FACTOR_KIND_GRADIENT);
  const auto response =
      Ask(&Stub::UpdateSession, UpdateOf(session, {"optimiser.l2"}));
  EXPECT_EQ(response.session().spec().optimiser().l2(), 0);
  EXPECT_EQ(response.session().layout().DebugString(),
            session.layout().DebugString());
  // A replica follows through the change, and l2 may come back.
  ReferenceReplica replica(session, Weights(session));
  TrainCall call(stub(), session);
  for (const float l2 : {0.0F, 0.5F, 0.0F}) {
    auto update = UpdateOf(session, {"optimiser.l2"});
    update.mutable_spec()->mutable_optimiser()->set_l2(l2);
    Ask(&Stub::UpdateSession, update);
    const v1::TrainRequest request = RandomSamples(session, 9, random_);
    replica.Apply(request, call.Exchange(request));
    EXPECT_EQ(replica.digest(), Digest(session));
  }
}

// The scalar rows on the stream show which step was the first.
TEST_F(UpdateSessionTest, TakesEffectBetweenTwoResponsesOfAStreamThatTrains) {
  const v1::Session session = Create(
      With(AdamSpec(), "optimiser {sgd {momentum: 0.5} learning_rate: 1e-3}"));
  ReferenceReplica replica(session, Weights(session));
  TrainCall call(stub(), session);
  std::vector<float> rates;  // of each step
  std::atomic<bool> stop = false;
  std::thread trainer([&] {
    while (!stop) {
      const v1::TrainRequest request = RandomSamples(session, 3000, random_);
      const v1::TrainResponse answer = call.Exchange(request);
      EXPECT_FALSE(answer.has_rejection());
      replica.Apply(request, answer);
      const std::vector<float> scalars = Floats(answer.scalars());
      for (size_t i = 0; i < scalars.size(); i += 6) {
        rates.push_back(scalars[i]);
      }
    }
  });
  std::vector<uint64_t> first_steps;
  for (int i = 1; i <= 10; ++i) {
    const uint64_t before = Get(session).step();
    EXPECT_TRUE(Eventually([&] { return Get(session).step() > before; }));
    auto request = UpdateOf(session, {"optimiser.learning_rate"});
    request.mutable_spec()->mutable_optimiser()->set_learning_rate(
        1e-3F + 1e-4F * static_cast<float>(i));
    const auto response = Ask(&Stub::UpdateSession, request);
    EXPECT_EQ(response.first_step(), response.session().step() + 1);
    EXPECT_TRUE(response.session().has_writer());
    first_steps.push_back(response.first_step());
  }
  const uint64_t last = first_steps.back();
  EXPECT_TRUE(Eventually([&] { return Get(session).step() > last; }));
  stop = true;
  trainer.join();
  ASSERT_GT(rates.size(), last);
  float expected = 1e-3F;
  size_t update = 0;
  for (size_t step = 1; step <= rates.size(); ++step) {
    while (update < first_steps.size() && first_steps[update] == step) {
      ++update;
      expected = 1e-3F + 1e-4F * static_cast<float>(update);
    }
    ASSERT_EQ(rates[step - 1], expected) << "step " << step;
  }
  EXPECT_EQ(update, first_steps.size());
  EXPECT_EQ(replica.digest(), Digest(session));
}

TEST_F(UpdateSessionTest, AnUnknownSessionIsNotFound) {
  v1::Session nobody;
  nobody.set_session_id("nobody");
  EXPECT_EQ(
      Reason(Try(&Stub::UpdateSession, UpdateOf(nobody, {"digest_every"}))),
      "SESSION_NOT_FOUND");
}

}  // namespace
}  // namespace backprop::testing
