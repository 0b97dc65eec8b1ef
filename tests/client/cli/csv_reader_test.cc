// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/csv_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backprop::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CsvTable Parse(std::string_view text) {
  absl::StatusOr<CsvTable> table = ParseCsv(text, "f.csv");
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *std::move(table) : CsvTable();
}

std::string ErrorOf(std::string_view text) {
  return std::string(ParseCsv(text, "f.csv").status().message());
}

TEST(CsvReaderTest, FirstLineWithWordsNamesTheColumns) {
  const CsvTable table = Parse("a, b\n1,2\n3,4\n");
  EXPECT_THAT(table.columns, ElementsAre("a", "b"));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_THAT(table.rows[1].cells, ElementsAre("3", "4"));
  EXPECT_EQ(table.rows[1].line, 3U);
}

TEST(CsvReaderTest, FirstLineOfNumbersIsData) {
  const CsvTable table = Parse("1,2.5e3\n3,4");
  EXPECT_THAT(table.columns, ElementsAre("0", "1"));
  EXPECT_EQ(table.rows.size(), 2U);
}

TEST(CsvReaderTest, QuotedCellsHoldCommasQuotesAndLineEnds) {
  const CsvTable table = Parse(
      "name,x\r\n\"a, \"\"b\"\"\",1\r\n\"two\nlines\",2\r\n\"\",3\r\nend,4");
  ASSERT_EQ(table.rows.size(), 4U);
  EXPECT_THAT(table.rows[0].cells, ElementsAre("a, \"b\"", "1"));
  EXPECT_THAT(table.rows[1].cells, ElementsAre("two\nlines", "2"));
  EXPECT_THAT(table.rows[2].cells, ElementsAre("", "3"));
  EXPECT_EQ(table.rows[3].line, 6U);
}

TEST(CsvReaderTest, EmptyLastCellAndByteOrderMarkAreUnderstood) {
  const CsvTable table = Parse("\xEF\xBB\xBFx,y\n1,\n");
  EXPECT_THAT(table.columns, ElementsAre("x", "y"));
  EXPECT_THAT(table.rows[0].cells, ElementsAre("1", ""));
}

TEST(CsvReaderTest, EmptyLinesAreSkipped) {
  EXPECT_EQ(Parse("x,y\n\n1,2\n  \r\n3,4\n\n").rows.size(), 2U);
}

TEST(CsvReaderTest, RaggedRowNamesItsLine) {
  EXPECT_EQ(ErrorOf("x,y\n1,2\n3\n"),
            "f.csv, line 3: 1 cells where the first line has 2");
  EXPECT_THAT(ErrorOf("x,y\n1,2,3\n"), HasSubstr("line 2: 3 cells"));
}

TEST(CsvReaderTest, QuoteThatNeverClosesNamesWhereItOpened) {
  EXPECT_EQ(ErrorOf("x,y\n1,2\n\"3,4\n5,6\n"),
            "f.csv, line 3: a double quote is never closed");
}

TEST(CsvReaderTest, FileWithoutRowsIsRefused) {
  EXPECT_EQ(ErrorOf(""), "f.csv has no rows of data");
  EXPECT_EQ(ErrorOf("x,y\n"), "f.csv has no rows of data");
}

TEST(FindColumnTest, ByNameByNumberAndFromTheEnd) {
  const CsvTable table = Parse("a,b,c\n1,2,3\n");
  EXPECT_EQ(*FindColumn(table, "b"), 1U);
  EXPECT_EQ(*FindColumn(table, "0"), 0U);
  EXPECT_EQ(*FindColumn(table, "-1"), 2U);
}

TEST(FindColumnTest, UnknownColumnListsThoseThatAre) {
  const CsvTable table = Parse("a,b,c\n1,2,3\n");
  for (const char* column : {"d", "3", "-4", "1x", ""})
    EXPECT_THAT(std::string(FindColumn(table, column).status().message()),
                HasSubstr("it has: a, b, c"))
        << column;
}

TEST(ParseNumberTest, OnlyWholeFiniteNumbers) {
  float number = 0;
  EXPECT_TRUE(ParseNumber(" -1.5e2 ", &number));
  EXPECT_EQ(number, -150.0F);
  EXPECT_TRUE(ParseNumber("+2", &number));
  for (const char* cell : {"", " ", "1x", "nan", "inf", "1e99", "0x10", "+-1"})
    EXPECT_FALSE(ParseNumber(cell, &number)) << cell;
}

}  // namespace
}  // namespace backprop::cli
