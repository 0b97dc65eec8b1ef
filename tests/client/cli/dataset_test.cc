// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "backprop/v1/training_service.pb.h"

namespace backprop::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<Dataset> FromCsv(const char* text, const CsvTarget& target) {
  return DatasetFromCsv(*ParseCsv(text, "f.csv"), target);
}

std::vector<float> Inputs(const Dataset& dataset) {
  std::vector<float> values(dataset.inputs.size() / sizeof(float));
  std::memcpy(values.data(), dataset.inputs.data(), dataset.inputs.size());
  return values;
}

TEST(CsvDatasetTest, WholeNumbersAreClassNumbersAsTheyStand) {
  absl::StatusOr<Dataset> data =
      FromCsv("x,label,y\n1,2,3\n4,0,6\n", {"label"});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->classes, ElementsAre(2, 0));
  EXPECT_THAT(data->class_names, IsEmpty());
  EXPECT_EQ(data->output_size(), 3U);
  EXPECT_THAT(Inputs(*data), ElementsAre(1, 3, 4, 6));
}

TEST(CsvDatasetTest, NamesAreNumberedInOrderOrAsGiven) {
  const char* text = "x,label\n1,dog\n2,cat\n3,dog\n";
  absl::StatusOr<Dataset> found = FromCsv(text, {"label"});
  EXPECT_THAT(found->class_names, ElementsAre("cat", "dog"));
  EXPECT_THAT(found->classes, ElementsAre(1, 0, 1));
  absl::StatusOr<Dataset> given =
      FromCsv(text, {.column = "label", .class_names = {"dog", "cow", "cat"}});
  EXPECT_THAT(given->classes, ElementsAre(0, 2, 0));
  EXPECT_EQ(given->output_size(), 3U);
}

TEST(CsvDatasetTest, ClassThatIsNotKnownNamesItsLine) {
  EXPECT_THAT(std::string(FromCsv("x,label\n1,dog\n2,cat\n",
                                  {.column = "label", .class_names = {"dog"}})
                              .status()
                              .message()),
              HasSubstr("line 3: 'cat'"));
}

TEST(CsvDatasetTest, TargetThatIsLeftOutIsNotRead) {
  for (const bool regression : {false, true}) {
    absl::StatusOr<Dataset> data =
        FromCsv("x,y\n1,?\n2,\n", {"y", regression, /*left_out=*/true});
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(Inputs(*data), ElementsAre(1, 2));
    EXPECT_THAT(data->classes, IsEmpty());
    EXPECT_THAT(data->targets, IsEmpty());
  }
}

TEST(CsvDatasetTest, RegressionTargetsAreNumbers) {
  absl::StatusOr<Dataset> data = FromCsv("x,y\n1,2.5\n2,-3\n", {"y", true});
  ASSERT_TRUE(data.ok());
  EXPECT_THAT(data->targets, ElementsAre(2.5F, -3.0F));
  EXPECT_THAT(data->classes, IsEmpty());
  EXPECT_EQ(data->input_size, 1U);
}

TEST(CsvDatasetTest, CellThatIsNoNumberNamesLineAndColumn) {
  EXPECT_EQ(std::string(FromCsv("x,y\n1,2\nabc,3\n", {"y"}).status().message()),
            "f.csv, line 3: 'abc' in column 'x' is not a finite number");
}

TEST(IdxDatasetTest, PixelsTravelAsBytesWithScale) {
  absl::StatusOr<Dataset> data =
      DatasetFromIdx({{2, 1, 2}, "abcd"}, IdxArray{{2}, "\x01\x07"});
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->input_size, 2U);
  EXPECT_EQ(data->output_size(), 8U);
  EXPECT_EQ(data->format.element_type(), v1::ELEMENT_TYPE_UINT8);
  v1::TrainRequest request;
  data->AppendSample(1, &request);
  EXPECT_EQ(request.inputs(), "cd");
  EXPECT_THAT(request.classes(), ElementsAre(7));
}

TEST(IdxDatasetTest, CountsThatDifferAreRefused) {
  EXPECT_THAT(
      std::string(DatasetFromIdx({{2, 1, 2}, "abcd"}, IdxArray{{3}, "abc"})
                      .status()
                      .message()),
      HasSubstr("2 images but 3 labels"));
  EXPECT_FALSE(DatasetFromIdx({{2, 2}, "abcd"}, IdxArray{{2, 1}, "ab"}).ok());
}

TEST(CheckClassNumbersTest, NamesNeedAnOutputEach) {
  v1::SessionSpec spec;
  EXPECT_EQ(OutputSize(spec), 0U);
  spec.add_layers()->set_size(3);
  EXPECT_EQ(OutputSize(spec), 3U);
  const Dataset two = *FromCsv("x,y\n1,cat\n2,dog\n", {"y"});
  EXPECT_THAT(std::string(CheckClassNumbers(two, spec).message()),
              HasSubstr("names 2 classes, the network has 3 outputs"));
  spec.mutable_layers(0)->set_size(2);
  EXPECT_TRUE(CheckClassNumbers(two, spec).ok());
  const Dataset numbers = *FromCsv("x,y\n1,0\n2,0\n", {"y"});
  EXPECT_TRUE(CheckClassNumbers(numbers, spec).ok());
}

TEST(CheckFitsTest, EachDifferenceIsNamed) {
  const Dataset data = *FromCsv("x,y\n1,2\n", {"y"});
  v1::SessionSpec spec;
  spec.set_input_size(1);
  spec.mutable_input()->set_element_type(v1::ELEMENT_TYPE_FLOAT32);
  spec.add_layers()->set_size(3);
  EXPECT_TRUE(CheckFits(data, spec, "--csv f").ok());
  spec.mutable_layers(0)->set_size(2);
  EXPECT_THAT(std::string(CheckFits(data, spec, "--csv f").message()),
              HasSubstr("--csv f has 3 classes, the network has 2 outputs"));
  spec.mutable_input()->set_element_type(v1::ELEMENT_TYPE_UINT8);
  EXPECT_THAT(std::string(CheckFits(data, spec, "--csv f").message()),
              HasSubstr("--csv f would be sent as floats, the session takes "
                        "bytes"));
  spec.set_input_size(4);
  EXPECT_THAT(std::string(CheckFits(data, spec, "--csv f").message()),
              HasSubstr("has 1 inputs a sample, the session takes 4"));
}

}  // namespace
}  // namespace backprop::cli
