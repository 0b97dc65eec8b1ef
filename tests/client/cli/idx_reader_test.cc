// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/idx_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backprop::cli {
namespace {

using ::testing::HasSubstr;

// header: magic and dimensions, big-endian.
std::string Idx(const std::vector<unsigned>& dimensions,
                const std::string& elements, char type = 8) {
  std::string bytes = {0, 0, type, static_cast<char>(dimensions.size())};
  for (unsigned dimension : dimensions)
    for (int shift = 24; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<char>(dimension >> shift));
  return bytes + elements;
}

std::string ErrorOf(const std::string& bytes) {
  return std::string(ParseIdx(bytes, "f.idx").status().message());
}

TEST(IdxReaderTest, RowsAndElementsAreRead) {
  absl::StatusOr<IdxArray> array = ParseIdx(Idx({2, 1, 3}, "abcdef"), "f");
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_EQ(array->rows(), 2U);
  EXPECT_EQ(array->row_size(), 3U);
  EXPECT_EQ(array->elements, "abcdef");
}

TEST(IdxReaderTest, EveryTruncationIsRefused) {
  const std::string whole = Idx({2, 1, 3}, "abcdef");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(ErrorOf(whole.substr(0, size)), "") << size;
}

TEST(IdxReaderTest, TooManyElementsAreRefused) {
  EXPECT_THAT(ErrorOf(Idx({2, 2}, "abcde")), HasSubstr("promise 4"));
}

TEST(IdxReaderTest, AnotherFileIsRefused) {
  EXPECT_THAT(ErrorOf("PK\x03\x04 zip"), HasSubstr("f.idx is not an IDX"));
  EXPECT_THAT(ErrorOf(Idx({1}, "abcd", 0x0d)), HasSubstr("0x0d"));
  EXPECT_NE(ErrorOf(Idx({}, "")), "");
}

TEST(IdxReaderTest, ProductThatOverflowsIsRefused) {
  // 2^32 · 2^32 = 2^64 would wrap to 0, and (2^31)^2 · 4 as well.
  EXPECT_NE(ErrorOf(Idx({0x80000000, 0x80000000, 4}, "")), "");
  EXPECT_NE(ErrorOf(Idx({0xffffffff, 0xffffffff, 0xffffffff}, "abc")), "");
}

TEST(IdxReaderTest, EmptyDimensionIsRefused) {
  EXPECT_THAT(ErrorOf(Idx({0, 28, 28}, "")), HasSubstr("is 0"));
}

}  // namespace
}  // namespace backprop::cli
