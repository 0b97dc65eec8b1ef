// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/input.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::string BytesOf(const std::vector<float>& numbers) {
  std::string bytes(numbers.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

InputFormat Format(ElementType type, float scale) {
  InputFormat format;
  format.element_type = type;
  format.scale = scale;
  return format;
}

// Converts; a failure to do so fails the test.
std::vector<float> Converted(const InputFormat& format,
                             std::string_view bytes) {
  std::vector<float> values(bytes.size() / ElementSize(format.element_type),
                            99.0F);
  EXPECT_TRUE(ConvertInputs(format, bytes, values));
  return values;
}

TEST(InputTest, ElementsAreFourBytesOrOne) {
  EXPECT_EQ(ElementSize(ElementType::kFloat32), 4);
  EXPECT_EQ(ElementSize(ElementType::kUint8), 1);
}

TEST(InputTest, EveryByteIsScaledByOneRounding) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  for (const float scale : {1.0F, 1 / 255.0F, 0.1F, -3.7F, 0x1p-60F, 1e36F}) {
    const std::vector<float> values =
        Converted(Format(ElementType::kUint8, scale), bytes);
    for (int byte = 0; byte < 256; ++byte) {
      // In double the product is exact, so that there is one rounding.
      const auto x = static_cast<float>(double{scale} * byte);
      EXPECT_EQ(values[static_cast<size_t>(byte)], x) << scale << "·" << byte;
    }
  }
}

TEST(InputTest, BytesAboveHalfAreNotNegative) {
  EXPECT_EQ(Converted(Format(ElementType::kUint8, 1), "\x80\xff"),
            (std::vector<float>{128, 255}));
}

TEST(InputTest, FloatsAreLittleEndian) {
  EXPECT_EQ(Converted(Format(ElementType::kFloat32, 1),
                      std::string("\x00\x00\x80\x3f\x00\x00\x20\xc0", 8)),
            (std::vector<float>{1.0F, -2.5F}));
}

TEST(InputTest, FloatsOfScaleOneStayAsTheyAre) {
  Random random(1);
  std::vector<float> numbers;
  for (int i = 0; i < 1000; ++i) {
    numbers.push_back(std::ldexp(random.Uniform(1, 2),
                                 static_cast<int>(random.Below(180)) - 60));
    if (random.Below(2) == 0) numbers.back() *= -1;
  }
  numbers.push_back(std::numeric_limits<float>::max());
  numbers.push_back(-std::numeric_limits<float>::max());
  EXPECT_EQ(Bits(Converted(Format(ElementType::kFloat32, 1), BytesOf(numbers))),
            Bits(numbers));
}

TEST(InputTest, FloatsAreScaledByOneRounding) {
  Random random(2);
  std::vector<float> numbers(500);
  for (float& number : numbers) number = random.Uniform(-100, 100);
  for (const float scale : {0.1F, -2.5F, 1e-10F}) {
    const std::vector<float> values =
        Converted(Format(ElementType::kFloat32, scale), BytesOf(numbers));
    for (size_t i = 0; i < numbers.size(); ++i) {
      EXPECT_EQ(values[i], static_cast<float>(double{scale} * numbers[i]));
    }
  }
}

TEST(InputTest, SmallInputsBecomePositiveZero) {
  const float bound = 0x1p-60F;
  const float below = std::nextafter(bound, 0.0F);
  const std::vector<float> numbers = {bound,     -bound,  below, -below,
                                      0x1p-149F, -1e-40F, 0.0F,  -0.0F};
  EXPECT_EQ(Bits(Converted(Format(ElementType::kFloat32, 1), BytesOf(numbers))),
            Bits(std::vector<float>{bound, -bound, 0, 0, 0, 0, 0, 0}));
}

TEST(InputTest, SmallnessIsMeasuredAfterScaling) {
  const std::vector<float> numbers = {0x1p-61F, 0x1p-62F, 0x1p-100F, -1.0F};
  EXPECT_EQ(Bits(Converted(Format(ElementType::kFloat32, 2), BytesOf(numbers))),
            Bits(std::vector<float>{0x1p-60F, 0, 0, -2}));
  EXPECT_EQ(Bits(Converted(Format(ElementType::kFloat32, 0x1p-61F),
                           BytesOf({1, 2, -1, -2}))),
            Bits(std::vector<float>{0, 0x1p-60F, 0, -0x1p-60F}));
  EXPECT_EQ(
      Bits(Converted(Format(ElementType::kUint8, -1), std::string(1, '\0'))),
      Bits(std::vector<float>{0}))
      << "−1·0 is −0, and below the bound";
}

TEST(InputTest, BytesMayLieAnywhere) {
  const std::vector<float> numbers = {1.5F, -2.25F, 1e-3F, 7};
  for (size_t offset = 0; offset < 9; ++offset) {
    const std::string bytes = std::string(offset, 'x') + BytesOf(numbers);
    EXPECT_EQ(Converted(Format(ElementType::kFloat32, 1),
                        std::string_view(bytes).substr(offset)),
              numbers);
  }
}

TEST(InputTest, NonFiniteInputsAreFoundWhereverTheyStand) {
  for (const float bad : {kNan, -kNan, kInfinity, -kInfinity}) {
    for (size_t position = 0; position < 37; ++position) {
      std::vector<float> numbers(37, 1.0F);
      numbers[position] = bad;
      EXPECT_FALSE(ConvertInputs(Format(ElementType::kFloat32, 1),
                                 BytesOf(numbers), numbers))
          << bad << " at " << position;
    }
  }
}

TEST(InputTest, OppositeInfinitiesDoNotCancel) {
  std::vector<float> values(2);
  EXPECT_FALSE(ConvertInputs(Format(ElementType::kFloat32, 1),
                             BytesOf({kInfinity, -kInfinity}), values));
}

TEST(InputTest, ProductsThatOverflowAreNotFinite) {
  std::vector<float> values(2);
  EXPECT_FALSE(ConvertInputs(Format(ElementType::kFloat32, 1e20F),
                             BytesOf({1, 1e19F}), values));
  EXPECT_FALSE(
      ConvertInputs(Format(ElementType::kUint8, 2e36F), "\x01\xff", values));
}

TEST(InputTest, LargeFiniteInputsAreFineHoweverMany) {
  const std::vector<float> numbers(100, std::numeric_limits<float>::max());
  EXPECT_EQ(Converted(Format(ElementType::kFloat32, 1), BytesOf(numbers)),
            numbers);
}

TEST(InputTest, NothingIsFine) {
  EXPECT_TRUE(Converted(Format(ElementType::kFloat32, 1), "").empty());
}

}  // namespace
}  // namespace backprop::testing
