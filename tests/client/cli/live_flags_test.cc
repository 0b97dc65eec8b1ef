// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/live_flags.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "backprop/v1/options.pb.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/flag_fields.h"

namespace backprop::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What a command line makes of a session that is there.
class LiveFlagsTest : public ::testing::Test {
 protected:
  LiveFlagsTest() {
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "layers { size: 8 dropout: 0.5 } layers { size: 4 } layers { size: 2 } "
        "loss: LOSS_CROSS_ENTROPY optimiser { adam {} learning_rate: 0.5 "
        "clipping { max_norm: 3 } schedule { exponential { factor: 0.5 } } }",
        &spec_));
  }

  absl::Status Change(const std::string& command_line) {
    Command app;
    LiveFlags flags;
    AddLiveFlags(app, &flags);
    const absl::Status parsed = app.Parse(command_line).status();
    if (!parsed.ok()) return UsageError("", std::string(parsed.message()));
    return ChangeSpec(flags, &spec_, &mask_);
  }

  v1::SessionSpec spec_;
  google::protobuf::FieldMask mask_;
};

TEST_F(LiveFlagsTest, NothingNamedIsNothingChanged) {
  const std::string before = spec_.DebugString();
  ASSERT_TRUE(Change("").ok());
  EXPECT_EQ(mask_.paths_size(), 0);
  EXPECT_EQ(spec_.DebugString(), before);
}

TEST_F(LiveFlagsTest, WhatIsNamedIsChangedAndInTheMask) {
  ASSERT_TRUE(Change("--learning-rate 0.25 --l2 0.1 --l1 0.2 --beta1 0.5 "
                     "--decoupled-decay 0 --beta2 0.75 --epsilon 1e-5 "
                     "--label-smoothing 0.1 --class-weights 1,2 "
                     "--digest-every 7")
                  .ok());
  EXPECT_THAT(
      mask_.paths(),
      ElementsAre("optimiser.learning_rate", "optimiser.l2", "optimiser.l1",
                  "optimiser.decoupled_decay", "optimiser.adam.beta1",
                  "optimiser.adam.beta2", "optimiser.adam.epsilon",
                  "label_smoothing", "class_weights", "digest_every"));
  EXPECT_EQ(spec_.optimiser().learning_rate(), 0.25F);
  EXPECT_EQ(spec_.optimiser().adam().beta1(), 0.5F);
  EXPECT_EQ(spec_.class_weights(1), 2);
  EXPECT_EQ(spec_.digest_every(), 7U);
}

TEST_F(LiveFlagsTest, ANameIsGivenAndTakenAway) {
  ASSERT_TRUE(Change("--name \"two words\"").ok());
  EXPECT_EQ(spec_.display_name(), "two words");
  Command app;
  LiveFlags flags;
  AddLiveFlags(app, &flags);
  // As a shell gives it: Parse takes "" of a line for nothing.
  const char* const arguments[] = {"backprop", "--name", ""};
  ASSERT_TRUE(app.Parse(3, arguments).ok());
  ASSERT_TRUE(ChangeSpec(flags, &spec_, &mask_).ok());
  EXPECT_EQ(spec_.display_name(), "");
  EXPECT_THAT(mask_.paths(), ElementsAre("display_name", "display_name"));
}

TEST_F(LiveFlagsTest, AnExpiryIsGivenAndTakenAway) {
  ASSERT_TRUE(Change("--expire-after 90.25").ok());
  EXPECT_EQ(spec_.expire_after().seconds(), 90);
  EXPECT_EQ(spec_.expire_after().nanos(), 250'000'000);
  for (const char* nothing : {"0", ""}) {
    spec_.mutable_expire_after()->set_seconds(90);
    mask_.Clear();
    Command app;
    LiveFlags flags;
    AddLiveFlags(app, &flags);
    const char* const arguments[] = {"backprop", "--expire-after", nothing};
    ASSERT_TRUE(app.Parse(3, arguments).ok());
    ASSERT_TRUE(ChangeSpec(flags, &spec_, &mask_).ok());
    EXPECT_FALSE(spec_.has_expire_after()) << nothing;
    EXPECT_THAT(mask_.paths(), ElementsAre("expire_after"));
  }
}

TEST_F(LiveFlagsTest, HistoryIsGivenLimitByLimitAndEndsWithTheLast) {
  ASSERT_TRUE(Change("--history-steps 500 --history-age 90.25").ok());
  EXPECT_THAT(mask_.paths(), ElementsAre("history"));
  EXPECT_EQ(spec_.history().max_steps(), 500u);
  EXPECT_EQ(spec_.history().max_age().seconds(), 90);
  EXPECT_EQ(spec_.history().max_age().nanos(), 250'000'000);
  ASSERT_TRUE(Change("--history-age 0 --history-bytes 7").ok());
  EXPECT_FALSE(spec_.history().has_max_age());
  EXPECT_EQ(spec_.history().max_bytes(), 7u);
  ASSERT_TRUE(Change("--history-steps 0 --history-bytes 0").ok());
  EXPECT_FALSE(spec_.has_history());
}

TEST_F(LiveFlagsTest, AnExpiryIsANumberOfSeconds) {
  for (const char* wrong : {"7d", "-1", "nan", "inf", "1e99", "3153600001"}) {
    const absl::Status status = Change(std::string("--expire-after ") + wrong);
    EXPECT_TRUE(IsUsageError(status)) << wrong;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("is not a number of seconds from 0 to 3153600000"));
    EXPECT_FALSE(spec_.has_expire_after());
  }
}

TEST_F(LiveFlagsTest, OneKindOfClippingKeepsTheOther) {
  ASSERT_TRUE(Change("--clip-value 2").ok());
  EXPECT_EQ(spec_.optimiser().clipping().max_norm(), 3);
  EXPECT_EQ(spec_.optimiser().clipping().max_value(), 2);
  EXPECT_THAT(mask_.paths(), ElementsAre("optimiser.clipping"));
}

TEST_F(LiveFlagsTest, SchedulesAreReplacedWholeAndTakenAway) {
  ASSERT_TRUE(Change("--schedule cosine --schedule-steps 9").ok());
  EXPECT_EQ(spec_.optimiser().schedule().cosine().period_steps(), 9U);
  ASSERT_TRUE(Change("--schedule constant").ok());
  EXPECT_EQ(spec_.optimiser().schedule().kind_case(),
            v1::Schedule::KIND_NOT_SET);
}

TEST_F(LiveFlagsTest, DropoutIsForAllHiddenLayersOrOneEach) {
  ASSERT_TRUE(Change("--dropout 0.25").ok());
  EXPECT_EQ(spec_.layers(0).dropout(), 0.25F);
  EXPECT_EQ(spec_.layers(1).dropout(), 0.25F);
  EXPECT_EQ(spec_.layers(2).dropout(), 0);
  ASSERT_TRUE(Change("--dropout 0,0.5").ok());
  EXPECT_EQ(spec_.layers(0).dropout(), 0);
  EXPECT_EQ(spec_.layers(1).dropout(), 0.5F);
  EXPECT_THAT(std::string(Change("--dropout 0,0,0").message()),
              HasSubstr("--dropout: names 3 shares for 2 layers"));
}

TEST_F(LiveFlagsTest, SettingsOfAnotherKindAreRefusedByName) {
  for (const char* flag : {"--momentum", "--rho", "--huber-delta"}) {
    const absl::Status status = Change(std::string(flag) + " 0.5");
    EXPECT_TRUE(IsUsageError(status));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(std::string(flag) + ": is a setting of"));
  }
}

// Nothing of them would be left in the request for the server to refuse.
TEST_F(LiveFlagsTest, SettingsOfAnotherLossAreRefusedAlsoWhenTheyTakeItAway) {
  ASSERT_TRUE(Change("--label-smoothing 0 --class-weights none").ok());
  spec_.set_loss(v1::LOSS_BINARY_CROSS_ENTROPY);
  ASSERT_TRUE(Change("--class-weights none").ok());
  EXPECT_EQ(Change("--label-smoothing 0").message(),
            "--label-smoothing: is a setting of the loss cross-entropy; this "
            "loss is binary-cross-entropy");
  spec_.set_loss(v1::LOSS_HUBER);
  EXPECT_EQ(Change("--class-weights none").message(),
            "--class-weights: is a setting of the loss cross-entropy or "
            "binary-cross-entropy; this loss is huber");
}

TEST(GivenLiveFlagsTest, AreThoseOnTheCommandLineInTheOrderOfHelp) {
  Command app;
  LiveFlags flags;
  std::string session;
  AddSessionId(app, &session);
  AddLiveFlags(app, &flags);
  ASSERT_TRUE(app.Parse("s --dropout 0 --clip-norm 1").ok());
  EXPECT_THAT(GivenLiveFlags(app), ElementsAre("--clip-norm", "--dropout"));
}

// Messages of protobuf's own, such as Duration, are values.
bool IsValue(const google::protobuf::FieldDescriptor& field) {
  return field.message_type() == nullptr ||
         field.message_type()->file()->package() == "google.protobuf";
}

// Every field that `message` holds, as a path that begins with `to`.
void AddFields(const google::protobuf::Descriptor& message,
               const std::string& to, std::set<std::string>& all) {
  for (int i = 0; i < message.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *message.field(i);
    const std::string path = to + std::string(field.name());
    if (IsValue(field))
      all.insert(path);
    else
      AddFields(*field.message_type(), path + ".", all);
  }
}

// The fields of a message that are marked (live), with all that lies in them.
void AddLive(const google::protobuf::Descriptor& message, const std::string& to,
             std::set<std::string>& all) {
  for (int i = 0; i < message.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *message.field(i);
    const std::string path = to + std::string(field.name());
    const bool live = field.options().GetExtension(v1::live);
    if (IsValue(field)) {
      if (live) all.insert(path);
    } else if (live) {
      AddFields(*field.message_type(), path + ".", all);
    } else {
      AddLive(*field.message_type(), path + ".", all);
    }
  }
}

TEST(LiveFlagsListTest, ThereIsAFlagForEachLiveFieldAndForNoOther) {
  Command app;
  LiveFlags flags;
  AddLiveFlags(app, &flags);
  const std::vector<std::string> names = app.option_names();
  std::set<std::string> offered(names.begin(), names.end());
  offered.erase("--help");
  std::set<std::string> fields;
  AddLive(*v1::SessionSpec::descriptor(), "", fields);
  std::set<std::string> wanted = {
      "--schedule"};  // which of its messages is set
  for (const std::string& field : fields) wanted.insert(FlagOf(field));
  EXPECT_EQ(offered, wanted);
}

}  // namespace
}  // namespace backprop::cli
