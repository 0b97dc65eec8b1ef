// SPDX-License-Identifier: Apache-2.0
//
// Input rows with standardisation: the contract's roundings, one by one.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/contract/input.h"
#include "engine/training/standardiser.h"
#include "tests/engine/every_target.h"

namespace backprop::testing {
namespace {

// Each operation on floats is exact in double but for one rounding.
float Rounded(double x) { return static_cast<float>(x); }

// fl(fl(fl(scale · element) − mean) · factor), 0 where it is too small.
float Formula(const InputFormat& format, float element, size_t j) {
  float x = Rounded(double{format.scale} * element);
  x = Rounded(double{x} - double{format.mean[j]});
  x = Rounded(double{x} * double{format.factor[j]});
  return std::fabs(x) < kSmallestFactor ? 0.0F : x;
}

class Numbers {
 public:
  float Between(float low, float high) {
    return low + (high - low) * static_cast<float>(random_() >> 8) * 0x1p-24F;
  }
  unsigned char Byte() { return static_cast<unsigned char>(random_() >> 24); }

 private:
  std::mt19937 random_{17};
};

InputFormat MakeFormat(ElementType type, size_t columns) {
  InputFormat format;
  format.element_type = type;
  format.scale = 1 / 255.0F;
  Numbers numbers;
  for (size_t j = 0; j < columns; ++j) {
    format.mean.push_back(numbers.Between(-0.5F, 0.5F));
    format.factor.push_back(numbers.Between(0.1F, 30.0F));
  }
  return format;
}

std::string BytesOf(const std::vector<float>& numbers) {
  std::string bytes(numbers.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

// As bits: +0 and −0 differ.
void ExpectFormula(const InputFormat& format,
                   const std::vector<float>& elements,
                   const std::string& bytes) {
  std::vector<float> values(elements.size() + 1, 99.0F);
  ASSERT_TRUE(ConvertInputs(format, bytes, {values.data(), elements.size()}));
  EXPECT_EQ(values[elements.size()], 99);
  const size_t columns = format.mean.size();
  for (size_t i = 0; i < elements.size(); ++i) {
    const float expected = Formula(format, elements[i], i % columns);
    ASSERT_EQ(std::bit_cast<uint32_t>(values[i]),
              std::bit_cast<uint32_t>(expected))
        << i << " of " << columns << " columns";
  }
}

constexpr size_t kColumns[] = {1, 3, 4, 15, 16, 17, 100};

TEST(StandardisedInputTest, FloatsFollowTheContract) {
  OnEveryTarget([] {
    for (const size_t columns : kColumns) {
      Numbers numbers;
      std::vector<float> elements;
      for (size_t i = 0; i < 9 * columns; ++i) {
        elements.push_back(numbers.Between(-300, 300));
      }
      ExpectFormula(MakeFormat(ElementType::kFloat32, columns), elements,
                    BytesOf(elements));
    }
  });
}

TEST(StandardisedInputTest, BytesFollowTheContract) {
  OnEveryTarget([] {
    for (const size_t columns : kColumns) {
      Numbers numbers;
      std::string bytes;
      std::vector<float> elements;
      for (size_t i = 0; i < 9 * columns; ++i) {
        const unsigned char byte = numbers.Byte();
        bytes.push_back(static_cast<char>(byte));
        elements.push_back(byte);
      }
      ExpectFormula(MakeFormat(ElementType::kUint8, columns), elements, bytes);
    }
  });
}

TEST(StandardisedInputTest, RowsMayLieAtAnyAddress) {
  const std::vector<float> elements = {1, 2, 3, 4, 5, 6};
  std::string bytes(1, 'x');
  bytes += BytesOf(elements);
  const InputFormat format = MakeFormat(ElementType::kFloat32, 3);
  std::vector<float> values(6);
  ASSERT_TRUE(ConvertInputs(format, std::string_view(bytes).substr(1), values));
  EXPECT_EQ(values[5], Formula(format, 6, 2));
}

TEST(StandardisedInputTest, WhatIsTooSmallBecomesZero) {
  InputFormat format;
  format.mean = {1, 1};
  format.factor = {0x1p-60F, 0x1p-61F};
  std::vector<float> values(4);
  ASSERT_TRUE(ConvertInputs(format, BytesOf({2, 2, 0, 0}), values));
  EXPECT_EQ(values, (std::vector<float>{0x1p-60F, 0, -0x1p-60F, 0}));
  EXPECT_FALSE(std::signbit(values[3]));
}

TEST(StandardisedInputTest, WhatIsNotFiniteIsRefusedWhereverItArises) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const auto accepts = [](float scale, float mean, float factor, float last) {
    InputFormat format;
    format.scale = scale;
    format.mean = {0, mean};
    format.factor = {1, factor};
    std::vector<float> values(40);
    std::vector<float> elements(40, 0.0F);
    elements[39] = last;
    return ConvertInputs(format, BytesOf(elements), values);
  };
  OnEveryTarget([&] {
    EXPECT_TRUE(accepts(1, 0, 1, kMost));
    EXPECT_FALSE(accepts(2, 0, 1, kMost));
    EXPECT_FALSE(accepts(2, 0, 0, kMost));
    EXPECT_FALSE(accepts(1, -kMost, 1, kMost));
    EXPECT_FALSE(accepts(1, 0, 2, kMost));
    EXPECT_FALSE(accepts(1, 0, 1, std::numeric_limits<float>::infinity()));
    EXPECT_FALSE(accepts(1, 0, 1, std::numeric_limits<float>::quiet_NaN()));
    EXPECT_FALSE(accepts(1, 0, 0, std::numeric_limits<float>::quiet_NaN()));
  });
}

TEST(StandardisedInputTest, LearntNumbersBringMeanZeroAndDeviationOne) {
  constexpr size_t kRows = 500, kWide = 6;
  Numbers numbers;
  std::vector<float> rows;
  for (size_t i = 0; i < kRows * kWide; ++i) {
    const auto j = static_cast<float>(i % kWide);
    rows.push_back(numbers.Between(10 * j, 11 * j + 1));
  }
  Standardiser standardiser(kWide);
  standardiser.Add(rows);
  InputFormat format;
  format.mean.resize(kWide);
  format.factor.resize(kWide);
  standardiser.Finish(format.mean, format.factor);
  std::vector<float> values(rows.size());
  ASSERT_TRUE(ConvertInputs(format, BytesOf(rows), values));
  for (size_t j = 0; j < kWide; ++j) {
    double mean = 0, square = 0;
    for (size_t i = j; i < values.size(); i += kWide) {
      mean += values[i] / double{kRows};
      square += double{values[i]} * values[i] / double{kRows};
    }
    EXPECT_NEAR(mean, 0, 1e-4) << j;
    EXPECT_NEAR(square, 1, 1e-4) << j;
  }
}

}  // namespace
}  // namespace backprop::testing
