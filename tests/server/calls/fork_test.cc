// SPDX-License-Identifier: Apache-2.0
//
// Sessions that start from another's weights.
#include <atomic>
#include <set>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;

class ForkTest : public ServiceTest {
 protected:
  static v1::SessionSpec AdamSpec() {
    return With(Spec(8, {10, 4}),
                "optimiser {adam {} learning_rate: 0.01 "
                "schedule {exponential {factor: 0.99}}}");
  }

  // An Adam session that has done 20 steps.
  v1::Session Trained() {
    const v1::Session session = Create(AdamSpec());
    TrainCall call(stub(), session);
    EXPECT_EQ(call.Exchange(RandomSamples(session, 20, random_)).step(), 20u);
    EXPECT_TRUE(call.Finish().ok());
    return Get(session);
  }

  std::mt19937 random_{23};
};

TEST_F(ForkTest, WithStateGoesOnBitIdentically) {
  const v1::Session origin = Trained();
  const v1::Session fork = Create(ForkOf(origin, true));
  EXPECT_EQ(fork.forked_from(), origin.session_id());
  EXPECT_EQ(origin.forked_from(), "");
  EXPECT_EQ(fork.step(), 0u);
  EXPECT_EQ(fork.next_offset(), 0u);
  EXPECT_EQ(fork.learning_rate(), origin.learning_rate());
  EXPECT_LT(fork.learning_rate(), 0.0085F);
  EXPECT_FALSE(fork.spec().has_initialiser());
  EXPECT_EQ(WeightsAndState(fork), WeightsAndState(origin));
  TrainCall origin_call(stub(), origin);
  TrainCall fork_call(stub(), fork);
  for (int i = 0; i < 5; ++i) {
    const v1::TrainRequest request = RandomSamples(origin, 7, random_);
    const auto ours = origin_call.Exchange(request);
    const auto theirs = fork_call.Exchange(request);
    EXPECT_EQ(ours.deltas(), theirs.deltas());
    EXPECT_EQ(ours.scalars(), theirs.scalars());
  }
  EXPECT_EQ(WeightsAndState(fork), WeightsAndState(origin));
}

TEST_F(ForkTest, WithoutStateBeginsAtZeroAndLeavesItsOriginAlone) {
  const v1::Session origin = Trained();
  const std::vector<float> before = WeightsAndState(origin);
  const v1::Session fork = Create(ForkOf(origin, false));
  EXPECT_EQ(fork.learning_rate(), 0.01F);
  const std::vector<float> numbers = WeightsAndState(fork);
  const size_t count = fork.layout().weight_count();
  for (size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(numbers[i], i < count ? before[i] : 0) << i;
  }
  auto replica = ReferenceReplica::WithState(fork, numbers);
  TrainCall call(stub(), fork);
  const v1::TrainRequest request = RandomSamples(fork, 9, random_);
  replica.Apply(request, call.Exchange(request));
  EXPECT_EQ(replica.digest(), Digest(fork));
  EXPECT_EQ(WeightsAndState(origin), before);
}

TEST_F(ForkTest, IsCalledAsItsOriginUnlessItHasASpecOfItsOwn) {
  const v1::Session origin = Create(With(AdamSpec(), "display_name: 'mice'"));
  v1::CreateSessionRequest request = ForkOf(origin, false);
  EXPECT_EQ(Create(request).spec().display_name(), "mice");
  *request.mutable_spec() = AdamSpec();
  EXPECT_EQ(Create(request).spec().display_name(), "");
  request.mutable_spec()->set_display_name("owls");
  EXPECT_EQ(Create(request).spec().display_name(), "owls");
  EXPECT_EQ(Get(origin).spec().display_name(), "mice");
}

TEST_F(ForkTest, AnotherOptimiserAndOtherFormsMayBeChosen) {
  const v1::Session origin = Trained();
  v1::CreateSessionRequest request = ForkOf(origin, false);
  *request.mutable_spec() =
      With(AdamSpec(),
           "batch_size: 2 optimiser {sgd {momentum: 0.9}} "
           "layers {delta_form: DELTA_FORM_DENSE activation: ACTIVATION_RELU}");
  const v1::Session fork = Create(request);
  EXPECT_EQ(fork.layout().layers(0).delta_form(), v1::DELTA_FORM_DENSE);
  EXPECT_EQ(fork.layout().state_count(), 1u);
  ReferenceReplica replica(fork, Weights(fork));
  EXPECT_EQ(replica.digest(), Digest(origin));
  TrainCall call(stub(), fork);
  const v1::TrainRequest samples = RandomSamples(fork, 10, random_);
  replica.Apply(samples, call.Exchange(samples));
  EXPECT_EQ(replica.digest(), Digest(fork));
}

TEST_F(ForkTest, AnotherScheduleTakesOverTheAgeWithTheState) {
  const v1::Session origin = Trained();
  v1::CreateSessionRequest request = ForkOf(origin, true);
  *request.mutable_spec() =
      With(AdamSpec(), "optimiser {schedule {inverse_time {rate: 1}}}");
  EXPECT_FLOAT_EQ(Create(request).learning_rate(), 0.01F / 21);
  request.mutable_fork()->set_with_state(false);
  EXPECT_FLOAT_EQ(Create(request).learning_rate(), 0.01F);
}

TEST_F(ForkTest, WhatDoesNotSuitItsOriginIsRefusedByField) {
  const v1::Session origin = Trained();
  v1::CreateSessionRequest good = ForkOf(origin, true);
  *good.mutable_spec() = AdamSpec();
  const struct {
    const char* field;
    const char* spec;
  } bad[] = {
      {"spec.input_size", "input_size: 9"},
      {"spec.layers", "layers {} layers {} layers {size: 4}"},
      {"spec.layers[0].size", "layers {size: 11}"},
      {"spec.optimiser", "optimiser {sgd {}}"},
      {"spec.optimiser", "optimiser {rms_prop {}}"},
      {"spec.optimiser.l2", "optimiser {l2: -1}"},
  };
  for (const auto& entry : bad) {
    v1::CreateSessionRequest request = good;
    *request.mutable_spec() = With(AdamSpec(), entry.spec);
    EXPECT_THAT(TryCreate(request), IsInvalid(ElementsAre(entry.field)))
        << entry.spec;
  }
  v1::CreateSessionRequest of_nothing = good;
  of_nothing.mutable_fork()->clear_session_id();
  EXPECT_THAT(TryCreate(of_nothing), IsInvalid(ElementsAre("fork.session_id")));
  v1::CreateSessionRequest with_weights = good;
  with_weights.mutable_initial();
  EXPECT_THAT(TryCreate(with_weights), IsInvalid(ElementsAre("initial")));
  v1::Session nobody;
  nobody.set_session_id("s-0123456789abcdef");
  EXPECT_EQ(Reason(TryCreate(ForkOf(nobody, true))), "SESSION_NOT_FOUND");
}

// One state vector each, but m may be negative where v may not.
TEST_F(ForkTest, StateOfAnotherKindOfOptimiserIsRefused) {
  v1::CreateSessionRequest request =
      ForkOf(Create(With(AdamSpec(), "optimiser {sgd {momentum: 0.9}}")), true);
  *request.mutable_spec() = With(AdamSpec(), "optimiser {rms_prop {}}");
  EXPECT_THAT(Fields(TryCreate(request)), ElementsAre("spec.optimiser"));
}

TEST_F(ForkTest, MayBeRepeatedByItsRequestIdThoughItsOriginChangedOrWent) {
  const v1::Session origin = Trained();
  v1::CreateSessionRequest request = ForkOf(origin, true);
  request.set_request_id("once");
  const v1::Session fork = Create(request);
  {
    TrainCall call(stub(), origin);
    call.Exchange(RandomSamples(origin, 3, random_));
    EXPECT_EQ(Create(request).session_id(), fork.session_id());
    EXPECT_TRUE(call.Finish().ok());
  }
  ASSERT_TRUE(Delete(origin).ok());
  EXPECT_EQ(Create(request).session_id(), fork.session_id());
  EXPECT_EQ(Get(fork).forked_from(), origin.session_id());
}

TEST_F(ForkTest, TakesOverWhatStandardisationHasLearnt) {
  const v1::SessionSpec spec =
      With(Spec(3, {2}), "input {standardisation {learn_samples: 4}}");
  const v1::Session origin = Create(spec);
  // Before it is learnt, a fork learns by itself.
  const v1::Session early = Create(ForkOf(origin, true));
  TrainCall call(stub(), origin);
  const v1::TrainRequest samples = RandomSamples(origin, 4, random_);
  const auto learnt = call.Exchange(samples).standardisation();
  ASSERT_EQ(learnt.mean_size(), 3);
  v1::CreateSessionRequest with_spec = ForkOf(origin, false);
  *with_spec.mutable_spec() = spec;
  for (const auto& request : {ForkOf(origin, false), with_spec}) {
    const v1::Session late = Create(request);
    EXPECT_EQ(late.spec().input().standardisation().DebugString(),
              learnt.DebugString());
    EXPECT_EQ(TrainCall(stub(), late).Exchange(samples).step(), 4u);
  }
  EXPECT_EQ(TrainCall(stub(), early)
                .Exchange(samples)
                .standardisation()
                .DebugString(),
            learnt.DebugString());
}

TEST_F(ForkTest, IsTakenOfOneStepWhileItsOriginTrains) {
  const v1::Session origin = Create(With(
      Spec(100, {60, 4}), "digest_every: 1 optimiser {learning_rate: 1e-4}"));
  std::atomic<bool> stop = false;
  std::set<uint64_t> digests;
  std::thread trainer([&] {
    TrainCall call(stub(), origin);
    while (!stop) {
      const auto answer = call.Exchange(RandomSamples(origin, 50, random_));
      for (const auto& digest : answer.digests()) {
        digests.insert(digest.digest());
      }
    }
    EXPECT_TRUE(call.Finish().ok());
  });
  EXPECT_TRUE(Eventually([&] { return Get(origin).step() > 0; }));
  std::vector<uint64_t> forks;
  for (int i = 0; i < 20; ++i) {
    forks.push_back(Digest(Create(ForkOf(origin, true)).session_id()));
  }
  stop = true;
  trainer.join();
  for (const uint64_t digest : forks) EXPECT_TRUE(digests.contains(digest));
}

}  // namespace
}  // namespace backprop::testing
