// SPDX-License-Identifier: Apache-2.0
#include "server/store/zero_packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/engine/every_target.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

constexpr size_t kSizes[] = {1, 4};
constexpr size_t kCounts[] = {0,  1,  2,   7,   8,    9,    31,   63,
                              64, 65, 266, 784, 4095, 4096, 4097, 9000};

// Of ten elements about `full` are not zero; of those that are not, some have
// a single bit.
std::string RandomElements(Random& random, size_t size, size_t count,
                           size_t full) {
  std::string elements(size * count, '\0');
  for (size_t i = 0; i < count; ++i) {
    if (random.Below(10) >= full) continue;
    for (size_t b = 0; b < size; ++b) {
      elements[i * size + b] = static_cast<char>(random.Below(256));
    }
    if (random.Below(4) == 0) {
      elements.replace(i * size, size, size, '\0');
      elements[i * size + random.Below(size)] =
          static_cast<char>(1 << random.Below(8));
    }
  }
  return elements;
}

bool IsZero(std::string_view element) {
  return element.find_first_not_of('\0') == std::string_view::npos;
}

// As zero_packing.h describes it, element by element.
std::string NaivelyPacked(std::string_view elements, size_t size) {
  std::string packed;
  for (size_t begin = 0; begin < elements.size(); begin += 4096 * size) {
    const std::string_view block = elements.substr(begin, 4096 * size);
    std::string bitmap((block.size() / size + 7) / 8, '\0');
    std::string there;
    for (size_t i = 0; i * size < block.size(); ++i) {
      const std::string_view element = block.substr(i * size, size);
      if (IsZero(element)) continue;
      bitmap[i / 8] = static_cast<char>(bitmap[i / 8] | 1 << i % 8);
      there += element;
    }
    const bool shorter = bitmap.size() + there.size() < block.size();
    packed += shorter ? '\1' : '\0';
    packed += shorter ? bitmap + there : std::string(block);
  }
  return packed;
}

// Unpacks into memory of which AddressSanitizer knows the end.
bool Unpacks(std::string_view* packed, size_t size, size_t count,
             std::string* elements) {
  const auto memory = std::make_unique<char[]>(size * count);
  const bool whole = UnpackZeros(packed, size, {memory.get(), size * count});
  elements->assign(memory.get(), size * count);
  return whole;
}

void CheckPacking(const std::string& elements, size_t size) {
  // Not aligned, behind other bytes, and with others behind.
  const std::string shifted = "x" + elements;
  std::string packed = "before";
  PackZeros(std::string_view(shifted).substr(1), size, &packed);
  ASSERT_EQ(packed.substr(6), NaivelyPacked(elements, size));
  packed += "behind";
  std::string_view rest = std::string_view(packed).substr(6);
  std::string_view skipped = rest;
  std::string unpacked;
  ASSERT_TRUE(Unpacks(&rest, size, elements.size() / size, &unpacked));
  EXPECT_EQ(unpacked, elements);
  EXPECT_EQ(rest, "behind");
  ASSERT_TRUE(SkipZeros(&skipped, size, elements.size()));
  EXPECT_EQ(skipped, "behind");
}

TEST(ZeroPackingTest, EveryCpuPacksAsDescribedAndUnpacksWhatWasPacked) {
  OnEveryTarget([] {
    Random random(1);
    for (const size_t size : kSizes) {
      for (const size_t count : kCounts) {
        for (const size_t full : {0, 1, 2, 5, 9, 10}) {
          SCOPED_TRACE(::testing::Message() << count << " of " << size);
          CheckPacking(RandomElements(random, size, count, full), size);
        }
      }
    }
  });
}

TEST(ZeroPackingTest, OnlyPlusZeroIsLeftOut) {
  const std::vector<float> numbers = {
      0, -0.0F, 0, std::numeric_limits<float>::denorm_min(),
      0, 0,     0, std::numeric_limits<float>::quiet_NaN(),
      0, 0,     0, 0};
  std::string packed;
  PackZeros(numbers, &packed);
  EXPECT_EQ(packed.size(), 1 + 2 + 3 * sizeof(float));
  std::vector<float> unpacked(numbers.size(), 1.0F);
  std::string_view rest = packed;
  ASSERT_TRUE(UnpackZeros(&rest, unpacked));
  EXPECT_EQ(Bits(unpacked), Bits(numbers));
}

TEST(ZeroPackingTest, WhatIsTornIsRefusedWhereverItEnds) {
  Random random(2);
  for (const size_t size : kSizes) {
    for (const size_t full : {1, 10}) {
      const size_t count = kPackedBlock + 100;
      std::string packed;
      PackZeros(RandomElements(random, size, count, full), size, &packed);
      for (size_t length = 0; length < packed.size();
           length += 1 + random.Below(40)) {
        const std::string torn = packed.substr(0, length);
        std::string_view rest = torn;
        std::string_view skipped = torn;
        std::string unpacked;
        EXPECT_FALSE(Unpacks(&rest, size, count, &unpacked)) << length;
        EXPECT_FALSE(SkipZeros(&skipped, size, size * count)) << length;
      }
    }
  }
}

TEST(ZeroPackingTest, BitsOfElementsThatAreNotThereAreRefused) {
  // Ten elements, of which the bitmap has eleven or more.
  for (int bit = 2; bit < 8; ++bit) {
    std::string packed("\1\0", 2);
    packed += static_cast<char>(1 << bit);
    packed += "a";
    std::string_view rest = packed;
    std::string_view skipped = packed;
    std::string unpacked;
    EXPECT_FALSE(Unpacks(&rest, 1, 10, &unpacked)) << bit;
    EXPECT_FALSE(SkipZeros(&skipped, 1, 10)) << bit;
  }
}

TEST(ZeroPackingTest, AnUnknownFormIsRefused) {
  for (int form = 2; form < 256; ++form) {
    const std::string packed(20, static_cast<char>(form));
    std::string_view rest = packed;
    std::string_view skipped = packed;
    std::string unpacked;
    EXPECT_FALSE(Unpacks(&rest, 1, 10, &unpacked)) << form;
    EXPECT_FALSE(SkipZeros(&skipped, 1, 10)) << form;
  }
}

// What comes back is unspecified; where it ended is not outside.
TEST(ZeroPackingTest, OtherBitsAreTakenOrRefusedAlikeByAllWhoRead) {
  Random random(3);
  for (int round = 0; round < 3000; ++round) {
    const size_t size = kSizes[random.Below(2)];
    const size_t count = 1 + random.Below(300);
    std::string packed;
    PackZeros(RandomElements(random, size, count, random.Below(11)), size,
              &packed);
    for (size_t i = 0; i < 1 + random.Below(4); ++i) {
      char& byte = packed[random.Below(packed.size())];
      byte = static_cast<char>(byte ^ 1 << random.Below(8));
    }
    std::string_view rest = packed;
    std::string_view skipped = packed;
    std::string unpacked;
    const bool whole = Unpacks(&rest, size, count, &unpacked);
    ASSERT_EQ(SkipZeros(&skipped, size, size * count), whole);
    if (!whole) continue;
    EXPECT_EQ(rest.size(), skipped.size());
    EXPECT_EQ(rest.data() + rest.size(), packed.data() + packed.size());
  }
}

}  // namespace
}  // namespace backprop::testing
