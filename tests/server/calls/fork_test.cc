// SPDX-License-Identifier: Apache-2.0
//
// Sessions that start from another's weights.
#include <atomic>
#include <functional>
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
    return Get(session.session_id());
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
  v1::GetWeightsResponse end;
  EXPECT_EQ(WeightsAndState(fork.session_id(), &end),
            WeightsAndState(origin.session_id(), &end));
  TrainCall origin_call(stub(), origin);
  TrainCall fork_call(stub(), fork);
  for (int i = 0; i < 5; ++i) {
    const v1::TrainRequest request = RandomSamples(origin, 7, random_);
    const auto ours = origin_call.Exchange(request);
    const auto theirs = fork_call.Exchange(request);
    EXPECT_EQ(ours.deltas(), theirs.deltas());
    EXPECT_EQ(ours.scalars(), theirs.scalars());
  }
  EXPECT_EQ(WeightsAndState(fork.session_id(), &end),
            WeightsAndState(origin.session_id(), &end));
}

TEST_F(ForkTest, WithoutStateBeginsAtZeroAndLeavesItsOriginAlone) {
  const v1::Session origin = Trained();
  v1::GetWeightsResponse end;
  const std::vector<float> before = WeightsAndState(origin.session_id(), &end);
  const v1::Session fork = Create(ForkOf(origin, false));
  EXPECT_EQ(fork.learning_rate(), 0.01F);
  const std::vector<float> numbers = WeightsAndState(fork.session_id(), &end);
  const size_t count = fork.layout().weight_count();
  for (size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(numbers[i], i < count ? before[i] : 0) << i;
  }
  auto replica = ReferenceReplica::WithState(fork, numbers);
  TrainCall call(stub(), fork);
  const v1::TrainRequest request = RandomSamples(fork, 9, random_);
  replica.Apply(request, call.Exchange(request));
  EXPECT_EQ(replica.digest(), Digest(fork.session_id()));
  EXPECT_EQ(WeightsAndState(origin.session_id(), &end), before);
}

TEST_F(ForkTest, IsCalledAsItsOriginUnlessItHasASpecOfItsOwn) {
  v1::SessionSpec spec = AdamSpec();
  spec.set_display_name("mice");
  const v1::Session origin = Create(spec);
  v1::CreateSessionRequest request = ForkOf(origin, false);
  EXPECT_EQ(Create(request).spec().display_name(), "mice");
  *request.mutable_spec() = AdamSpec();
  EXPECT_EQ(Create(request).spec().display_name(), "");
  request.mutable_spec()->set_display_name("owls");
  EXPECT_EQ(Create(request).spec().display_name(), "owls");
  EXPECT_EQ(Get(origin.session_id()).spec().display_name(), "mice");
}

TEST_F(ForkTest, AnotherOptimiserAndOtherFormsMayBeChosen) {
  const v1::Session origin = Trained();
  v1::CreateSessionRequest request = ForkOf(origin, false);
  v1::SessionSpec& spec = *request.mutable_spec();
  spec = AdamSpec();
  spec.mutable_optimiser()->mutable_sgd()->set_momentum(0.9F);
  spec.mutable_layers(0)->set_delta_form(v1::DELTA_FORM_DENSE);
  spec.mutable_layers(0)->set_activation(v1::ACTIVATION_RELU);
  spec.set_batch_size(2);
  const v1::Session fork = Create(request);
  EXPECT_EQ(fork.layout().layers(0).delta_form(), v1::DELTA_FORM_DENSE);
  EXPECT_EQ(fork.layout().state_count(), 1u);
  v1::GetWeightsResponse end;
  ReferenceReplica replica(fork, Weights(fork.session_id(), &end));
  EXPECT_EQ(replica.digest(), Digest(origin.session_id()));
  TrainCall call(stub(), fork);
  const v1::TrainRequest samples = RandomSamples(fork, 10, random_);
  replica.Apply(samples, call.Exchange(samples));
  EXPECT_EQ(replica.digest(), Digest(fork.session_id()));
}

TEST_F(ForkTest, AnotherScheduleTakesOverTheAgeWithTheState) {
  const v1::Session origin = Trained();
  v1::CreateSessionRequest request = ForkOf(origin, true);
  *request.mutable_spec() = AdamSpec();
  v1::Optimiser& optimiser = *request.mutable_spec()->mutable_optimiser();
  optimiser.mutable_schedule()->mutable_inverse_time()->set_rate(1);
  EXPECT_FLOAT_EQ(Create(request).learning_rate(), 0.01F / 21);
  request.mutable_fork()->set_with_state(false);
  EXPECT_FLOAT_EQ(Create(request).learning_rate(), 0.01F);
}

TEST_F(ForkTest, WhatDoesNotSuitItsOriginIsRefusedByField) {
  const v1::Session origin = Trained();
  struct Bad {
    const char* field;
    std::function<void(v1::CreateSessionRequest&)> spoil;
  };
  const std::vector<Bad> bad = {
      {"fork.session_id",
       [](auto& r) { r.mutable_fork()->clear_session_id(); }},
      {"initial", [](auto& r) { r.mutable_initial(); }},
      {"spec.input_size", [](auto& r) { r.mutable_spec()->set_input_size(9); }},
      {"spec.layers",
       [](auto& r) { r.mutable_spec()->add_layers()->set_size(4); }},
      {"spec.layers[0].size",
       [](auto& r) { r.mutable_spec()->mutable_layers(0)->set_size(11); }},
      {"spec.optimiser",
       [](auto& r) { r.mutable_spec()->mutable_optimiser()->mutable_sgd(); }},
      {"spec.optimiser",
       [](auto& r) {
         r.mutable_spec()->mutable_optimiser()->mutable_rms_prop();
       }},
      {"spec.optimiser.l2",
       [](auto& r) { r.mutable_spec()->mutable_optimiser()->set_l2(-1); }},
  };
  for (const Bad& entry : bad) {
    v1::CreateSessionRequest request = ForkOf(origin, true);
    *request.mutable_spec() = AdamSpec();
    entry.spoil(request);
    const grpc::Status status = TryCreate(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << entry.field;
    EXPECT_THAT(Fields(status), ElementsAre(entry.field));
  }
  v1::Session nobody;
  nobody.set_session_id("s-0123456789abcdef");
  EXPECT_EQ(Reason(TryCreate(ForkOf(nobody, true))), "SESSION_NOT_FOUND");
}

// One state vector each, but m may be negative where v may not.
TEST_F(ForkTest, StateOfAnotherKindOfOptimiserIsRefused) {
  v1::SessionSpec spec = AdamSpec();
  spec.mutable_optimiser()->mutable_sgd()->set_momentum(0.9F);
  v1::CreateSessionRequest request = ForkOf(Create(spec), true);
  *request.mutable_spec() = AdamSpec();
  request.mutable_spec()->mutable_optimiser()->mutable_rms_prop();
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
  ASSERT_TRUE(Delete(origin.session_id()).ok());
  EXPECT_EQ(Create(request).session_id(), fork.session_id());
  EXPECT_EQ(Get(fork.session_id()).forked_from(), origin.session_id());
}

TEST_F(ForkTest, TakesOverWhatStandardisationHasLearnt) {
  v1::SessionSpec spec = Spec(3, {2});
  spec.mutable_input()->mutable_standardisation()->set_learn_samples(4);
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
  EXPECT_TRUE(Eventually([&] { return Get(origin.session_id()).step() > 0; }));
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
