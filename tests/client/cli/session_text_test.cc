// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/session_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "client/cli/flags/spec_text.h"
#include "client/cli/text/table.h"
#include "tests/message_text.h"

namespace backprop::cli {
namespace {

using backprop::testing::Parsed;

// 2027-01-15 08:00:00 UTC.
constexpr char kSession[] = R"(
  session_id: "s-1"
  spec {
    input_size: 784
    layers { size: 128 activation: ACTIVATION_LEAKY_RELU negative_scale: 0.2
             dropout: 0.1 }
    layers { size: 10 activation: ACTIVATION_SOFTMAX }
    loss: LOSS_CROSS_ENTROPY
    optimiser { adam { beta1: 0.9 beta2: 0.999 epsilon: 1e-8 }
                learning_rate: 0.001 }
    batch_size: 1
    initialiser { kind: INITIALISER_KIND_HE_UNIFORM seed: 7 }
    input { element_type: ELEMENT_TYPE_UINT8 scale: 0.5 }
    digest_every: 1024
  }
  layout {
    layers { inputs: 784 outputs: 128 delta_form: DELTA_FORM_FACTORED }
    layers { inputs: 128 outputs: 10 delta_form: DELTA_FORM_DENSE }
    weight_count: 101770
    state_count: 2
  }
  step: 480000
  next_offset: 480001
  create_time { seconds: 1800000000 nanos: 5 }
  learning_rate: 0.0005
)";

TEST(SessionTextTest, SaysAllInWords) {
  EXPECT_EQ(SessionText(Parsed<v1::Session>(kSession)),
            R"(session        s-1
network        784-128:leaky-relu=0.2:dropout=0.1-10:softmax
weights        101,770, 407.1 kB
state          2 numbers a weight, 814.2 kB
input          784 bytes times 0.5
initialiser    he-uniform, seed 7
loss           cross-entropy
optimiser      adam, learning rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08
schedule       constant
batch size     1 sample a step
digests        every 1,024 steps
step           480,000
next offset    480,001
learning rate  0.0005 in the next step
writer         none at the moment
created        2027-01-15 08:00:00 UTC

LAYER  INPUTS  OUTPUTS  ACTIVATION      DROPOUT  WEIGHTS  DELTAS
    1     784      128  leaky-relu=0.2  0.1      100,480  factored
    2     128       10  softmax         none       1,290  dense
)");
}

// Of a DURABLE session that is in the store alone.
constexpr char kInTheStore[] = R"(
  spec { durability { mode: DURABILITY_MODE_DURABLE } }
  epoch: 3
  durable_step: 479000
  durable_offset: 479001
  stored_bytes: 1500000
)";

TEST(SessionTextTest, SaysWhereADurableSessionIs) {
  v1::Session session = Parsed<v1::Session>(kSession);
  session.MergeFrom(Parsed<v1::Session>(kInTheStore));
  EXPECT_NE(SessionText(session).find(R"(
next offset    480,001
durable        step 479,000, offset 479,001
epoch          3
in memory      no: it is brought back when it is used
in the store   1.5 MB
learning rate)"),
            std::string::npos)
      << SessionText(session);
  session.set_resident(true);
  session.set_resident_bytes(1'221'240);
  EXPECT_NE(SessionText(session).find("\nin memory      1.2 MB\n"),
            std::string::npos)
      << SessionText(session);
}

TEST(SessionTextTest, SaysWhatNotEverySessionHas) {
  v1::Session session = Parsed<v1::Session>(kSession);
  session.MergeFrom(Parsed<v1::Session>(
      "has_writer: true forked_from: 's-0' spec {display_name: 'mice' "
      "optimiser {l2: 0.5 clipping {max_norm: 2}}}"));
  const std::string text = SessionText(session);
  for (const std::string line :
       {"s-1\nname           mice\nnetwork", "\ndecay          l2 0.5\n",
        "\nclipping       norm 2\n",
        "\nwriter         a client trains it now\n", "\nforked from    s-0\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

TEST(SessionTextTest, ASessionOfANewerServerIsToldAsFarAsItIsKnown) {
  v1::Session session;
  session.mutable_spec()->add_layers()->set_activation(
      static_cast<v1::Activation>(99));
  session.mutable_layout()->add_layers();
  session.mutable_create_time()->set_seconds(
      std::numeric_limits<int64_t>::max());
  EXPECT_NE(SessionText(session).find("?"), std::string::npos);
}

TEST(SessionListTextTest, HasNamesIfAnySessionHasOne) {
  v1::Session first = Parsed<v1::Session>(kSession);
  first.mutable_spec()->clear_layers();
  v1::Session second = first;
  second.mutable_spec()->set_display_name("Mäuse");
  EXPECT_EQ(
      SessionListText({first, second, first}),
      R"(SESSION  NAME      STEP  DURABLE  STATE  MEMORY  STORE  CREATED (UTC)     NETWORK
s-1             480,000        -  idle        -      -  2027-01-15 08:00  784
s-1      Mäuse  480,000        -  idle        -      -  2027-01-15 08:00  784
s-1             480,000        -  idle        -      -  2027-01-15 08:00  784
)");
}

TEST(SessionListTextTest, HasTitlesAndColumns) {
  v1::Session first = Parsed<v1::Session>(kSession);
  v1::Session second = first;
  second.set_session_id("s-22");
  second.set_step(0);
  second.set_has_writer(true);
  second.mutable_spec()->mutable_layers(0)->clear_dropout();
  first.MergeFrom(Parsed<v1::Session>(kInTheStore));
  second.set_resident_bytes(407'080);
  EXPECT_EQ(
      SessionListText({first, second}),
      R"(SESSION     STEP  DURABLE  STATE       MEMORY   STORE  CREATED (UTC)     NETWORK
s-1      480,000  479,000  idle             -  1.5 MB  2027-01-15 08:00  784-128:leaky-relu=0.2:dropout=0.1-10:softmax
s-22           0        -  training  407.1 kB       -  2027-01-15 08:00  784-128:leaky-relu=0.2-10:softmax
)");
  EXPECT_EQ(SessionListText({}),
            "SESSION  STEP  DURABLE  STATE  MEMORY  STORE  CREATED (UTC)  "
            "NETWORK\n");
}

TEST(SessionListTextTest, SaysOfADamagedSessionThatItIs) {
  v1::Session named = Parsed<v1::Session>(kSession);
  named.mutable_spec()->clear_layers();
  named.mutable_spec()->set_display_name("mice");
  const auto damaged =
      Parsed<v1::Session>("session_id: \"s-22\" damage: \"its head\"");
  EXPECT_EQ(
      SessionListText({damaged, named}),
      R"(SESSION  NAME     STEP  DURABLE  STATE    MEMORY  STORE  CREATED (UTC)     NETWORK
s-22                 -        -  damaged       -      -  -                 can't be brought back: backpropd check says why
s-1      mice  480,000        -  idle          -      -  2027-01-15 08:00  784
)");
}

TEST(SpecTextTest, OptimisersHaveTheirNumbers) {
  const auto text = [](const std::string& optimiser) {
    return OptimiserNumbers(Parsed<v1::Optimiser>(optimiser));
  };
  EXPECT_EQ(text("sgd {} learning_rate: 0.5"), "sgd, learning rate 0.5");
  EXPECT_EQ(text("sgd { momentum: 0.5 nesterov: true } learning_rate: 0.5"),
            "sgd, learning rate 0.5, momentum 0.5 (Nesterov's)");
  EXPECT_EQ(text("adagrad { epsilon: 0.25 } learning_rate: 0.5"),
            "adagrad, learning rate 0.5, epsilon 0.25");
  EXPECT_EQ(text("rms_prop { decay: 0.5 epsilon: 0.25 } learning_rate: 0.5"),
            "rmsprop, learning rate 0.5, rho 0.5, epsilon 0.25");
  EXPECT_EQ(DecayText(Parsed<v1::Optimiser>("l2: 1 l1: 2 decoupled_decay: 3")),
            "l2 1, l1 2, decoupled 3");
  EXPECT_EQ(
      ClippingText(Parsed<v1::GradientClipping>("max_norm: 1 max_value: 2")),
      "norm 1, each number 2");
}

TEST(SpecTextTest, SchedulesHaveTheirNumbers) {
  const auto text = [](const std::string& schedule) {
    return ScheduleNumbers(Parsed<v1::Schedule>(schedule));
  };
  EXPECT_EQ(text(""), "constant");
  EXPECT_EQ(text("warmup_steps: 1"), "constant; warm-up of 1 step");
  EXPECT_EQ(text("step { every: 1000 factor: 0.5 }"),
            "step, times 0.5 every 1,000 steps");
  EXPECT_EQ(text("exponential { factor: 0.5 }"),
            "exponential, times 0.5 each step");
  EXPECT_EQ(text("polynomial { steps: 9 end_rate: 0.5 power: 2 }"),
            "polynomial, to 0.5 in 9 steps, power 2");
  EXPECT_EQ(text("inverse_time { rate: 0.5 }"),
            "inverse-time, divided by 1 + 0.5 a after a steps");
  EXPECT_EQ(text("cosine { period_steps: 9 min_rate: 0.5 } warmup_steps: 2"),
            "cosine, period of 9 steps, down to 0.5; warm-up of 2 steps");
  EXPECT_EQ(text("cosine { period_steps: 9 restarts: true period_factor: 2 }"),
            "cosine, period of 9 steps, down to 0, with restarts, each period "
            "2 times as long");
  EXPECT_EQ(text("plateau { window_steps: 9 factor: 0.5 patience: 3 "
                 "threshold: 0.25 min_rate: 0.125 }"),
            "plateau, times 0.5 after more than 3 windows of 9 steps without a "
            "gain of 0.25, down to 0.125");
}

TEST(SpecTextTest, LossInitialiserAndInputHaveTheirNumbers) {
  v1::SessionSpec spec = Parsed<v1::SessionSpec>(
      "loss: LOSS_HUBER huber_delta: 2 input_size: 1000");
  EXPECT_EQ(LossNumbers(spec), "huber, delta 2");
  EXPECT_EQ(InitialiserText(spec), "given weights");
  EXPECT_EQ(InputText(spec), "1,000 floats");
  spec = Parsed<v1::SessionSpec>(
      "loss: LOSS_CROSS_ENTROPY label_smoothing: 0.5 class_weights: [1, 2.5] "
      "initialiser { kind: INITIALISER_KIND_NORMAL value: 0.5 seed: 3 } "
      "input_size: 2 input { standardisation { learn_samples: 1000 } }");
  EXPECT_EQ(LossNumbers(spec),
            "cross-entropy, label smoothing 0.5, class weights 1,2.5");
  EXPECT_EQ(InitialiserText(spec), "normal 0.5, seed 3");
  EXPECT_EQ(InputText(spec),
            "2 floats, to be standardised as the first 1,000 samples will be");
  spec.mutable_input()->mutable_standardisation()->add_mean(1);
  EXPECT_EQ(InputText(spec),
            "2 floats, standardised as the first 1,000 samples were");
  spec.mutable_input()->mutable_standardisation()->clear_learn_samples();
  EXPECT_EQ(InputText(spec), "2 floats, standardised by given numbers");
  for (int i = 0; i < 1000; ++i) spec.add_class_weights(1);
  EXPECT_EQ(LossNumbers(spec),
            "cross-entropy, label smoothing 0.5, 1,002 class weights");
}

// Another server may not check names as ours does.
TEST(SessionTextTest, WhatATerminalWouldObeyIsNotShown) {
  v1::Session session;
  session.set_session_id("s-\x1b[2J");
  session.mutable_spec()->set_display_name(
      "\xc2\x9b"
      "31m");
  for (const std::string& text :
       {SessionText(session), SessionListText({session})}) {
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos) << text;
    EXPECT_NE(text.find("s-\xef\xbf\xbd[2J"), std::string::npos) << text;
  }
}

TEST(TableTextTest, WithoutTitlesThereIsNoLineForThem) {
  EXPECT_EQ(TableText({{""}, {"", Align::kRight}}, {{"a", "1"}, {"bb", "23"}}),
            "a    1\nbb  23\n");
  EXPECT_EQ(TableText({{"A"}, {"B"}}, {}), "A  B\n");
}

}  // namespace
}  // namespace backprop::cli
