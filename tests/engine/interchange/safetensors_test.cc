// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace backprop {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// 8 bytes of length, the header as it is, the data.
std::string File(const std::string& header, size_t data_bytes) {
  std::string bytes(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, 'x');
}

std::string Fault(const std::string& bytes) {
  const auto file = ParseSafetensors(bytes);
  return file.ok() ? "none" : std::string(file.status().message());
}

// Two tensors and metadata, with the padding that the format asks for.
const std::string& SmallFile() {
  static const std::string bytes =
      SafetensorsBytes({.metadata = {{"made by", "a \"test\" \n é"}},
                        .tensors = {{"w", {2, 3}, "abcdefghijklmnopqrstuvwx"},
                                    {"b", {}, "0123"}}});
  return bytes;
}

bool SameMeaning(const TensorFile& a, const TensorFile& b) {
  if (a.metadata != b.metadata || a.tensors.size() != b.tensors.size()) {
    return false;
  }
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    const Tensor& left = a.tensors[i];
    const Tensor& right = b.tensors[i];
    if (left.name != right.name || left.shape != right.shape ||
        left.bytes != right.bytes) {
      return false;
    }
  }
  return true;
}

TEST(SafetensorsTest, WhatIsWrittenIsRead) {
  const auto file = ParseSafetensors(SmallFile());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->metadata,
              UnorderedElementsAre(Pair("made by", "a \"test\" \n é")));
  ASSERT_EQ(file->tensors.size(), 2);
  EXPECT_EQ(file->tensors[0].name, "w");
  EXPECT_EQ(file->tensors[0].shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(file->tensors[0].bytes, "abcdefghijklmnopqrstuvwx");
  EXPECT_EQ(file->tensors[1].name, "b");
  EXPECT_EQ(file->tensors[1].shape, std::vector<uint64_t>());
  EXPECT_EQ(file->tensors[1].bytes, "0123");
}

TEST(SafetensorsTest, TheBytesAreThoseOfTheFormatsManual) {
  const std::string header =
      R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  EXPECT_EQ(SafetensorsBytes({.metadata = {}, .tensors = {{"b", {1}, "xxxx"}}}),
            File(header + "  ", 4));
  EXPECT_EQ(header.size() % 8, 6);  // so two blanks align what follows
}

TEST(SafetensorsTest, TensorsAreInTheOrderOfTheirData) {
  const auto file = ParseSafetensors(
      File(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
           R"("none":{"dtype":"F32","shape":[3,0],"data_offsets":[8,8]},)"
           R"("b":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}})",
           12));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors.size(), 3);
  EXPECT_EQ(file->tensors[0].name, "b");
  EXPECT_EQ(file->tensors[1].name, "none");
  EXPECT_EQ(file->tensors[2].name, "a");
}

TEST(SafetensorsTest, AFileWithoutTensorsIsOne) {
  const auto file = ParseSafetensors(File("{}", 0));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->tensors.empty());
}

TEST(SafetensorsTest, HostileHeadersAreRefusedWithWhatIsWrong) {
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  const struct {
    std::string header;
    size_t data;
    const char* fault;
  } cases[] = {
      {"", 0, "does not begin with {"},
      {" {}", 0, "does not begin with {"},
      {"\xEF\xBB\xBF{}", 0, "does not begin with {"},
      {"[]", 0, "does not begin with {"},
      {"{", 0, "no JSON from byte"},
      {"{}}", 0, "no JSON from byte"},
      {std::string("{}\0 ", 4), 0, "a byte 0"},
      {R"({"t":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}})", 4,
       "no JSON from byte"},
      {"{\"\xFF\":1}", 0, "no JSON from byte"},
      {R"({"t":1})", 0, R"("t" is or holds a number)"},
      {R"({"t":"F32"})", 0, R"("t" is or holds a text)"},
      {R"({"t":[1]})", 0, R"("t" is or holds a list)"},
      {R"({"t":null})", 0, R"("t" is or holds null)"},
      {R"({"t":{}})", 0, R"("t" lacks one of)"},
      {R"({"t":{"dtype":"F32","shape":[1]}})", 0, R"("t" lacks one of)"},
      {R"({"t":{)" + good + R"(,"more":1}})", 4,
       R"("more" of "t" is no part of)"},
      {R"({"t":{)" + good + R"(,"dtype":"F32"}})", 4,
       R"("dtype" of "t" stands there twice)"},
      {R"({"t":{)" + good + R"(},"t":{)" + good + "}}", 4,
       R"("t" stands there twice)"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0,
       R"("__metadata__" stands there twice)"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0,
       R"("a" of "__metadata__" stands there twice)"},
      {R"({"__metadata__":{"a":1}})", 0,
       R"("a" of "__metadata__" is or holds)"},
      {R"({"__metadata__":{"a":["b"]}})", 0,
       R"("a" of "__metadata__" is or holds a list)"},
      {R"({"__metadata__":{"a":{"b":"c"}}})", 0,
       R"("a" of "__metadata__" is or holds an object)"},
      {R"({"__metadata__":"a"})", 0, R"("__metadata__" is or holds a text)"},
      {R"({"t":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", 4,
       R"("dtype" of "t" is or holds a number)"},
      {R"({"t":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}})", 4,
       R"("dtype" of "t" is or holds a list)"},
      {R"({"t":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4,
       R"("shape" of "t" is or holds a number)"},
      {R"({"t":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", 4,
       R"("shape" of "t" is or holds a text)"},
      {R"({"t":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4,
       R"("shape" of "t" is or holds a list)"},
      {R"({"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4,
       R"("shape" of "t" is or holds a negative number)"},
      {R"({"t":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4,
       R"("shape" of "t" is or holds a number that is not whole)"},
      {R"({"t":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}})", 4,
       R"("shape" of "t" is or holds true or false)"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4,
       R"("data_offsets" of "t" holds 1 numbers)"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4,
       R"("data_offsets" of "t" holds 3 numbers)"},
      {R"({"t":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 4,
       R"(tensor "t" is of dtype "F16"; only F32 is read)"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "its shape [2] has 8 bytes"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
       R"("t" begins at 4 where)"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8,
       R"("t" begins at 4 where)"},
      {R"({"a":{)" + good +
           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       8, R"("b" begins at 0 where what stands before it ends at 4)"},
      {R"({"t":{"dtype":"F32","shape":[4611686018427387904],)"
       R"("data_offsets":[0,0]}})",
       0, "more bytes than can be counted"},
      {R"({"t":{"dtype":"F32","shape":[4294967296,4294967296],)"
       R"("data_offsets":[0,0]}})",
       0, "more bytes than can be counted"},
      {R"({"t":{"dtype":"F32","shape":[1152921504606846976],)"
       R"("data_offsets":[0,4611686018427387904]}})",
       0, "4611686018427387904 bytes are missing"},
      {R"({"t":{)" + good + "}}", 5, "1 bytes follow the last tensor's data"},
      {R"({"t":{)" + good + "}}", 3, "cut off: 1 bytes are missing"},
  };
  for (const auto& each : cases) {
    EXPECT_THAT(Fault(File(each.header, each.data)), HasSubstr(each.fault))
        << each.header;
  }
}

TEST(SafetensorsTest, ADeeplyNestedHeaderIsRefusedAtOnce) {
  EXPECT_THAT(Fault(File(R"({"t":{"shape":)" + std::string(1 << 20, '['), 0)),
              HasSubstr("is or holds a list"));
}

TEST(SafetensorsTest, AHeaderAboveTheFormatsLimitIsRefusedByItsLength) {
  std::string bytes = File("{}", 0);
  for (const uint64_t length : {uint64_t{100'000'001}, ~uint64_t{0}}) {
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_THAT(Fault(bytes), HasSubstr("at most 100000000 are allowed"));
  }
  const uint64_t length = 100'000'000;
  std::memcpy(bytes.data(), &length, 8);
  EXPECT_THAT(Fault(bytes), HasSubstr("99999998 bytes are missing"));
}

TEST(SafetensorsTest, NamesInMessagesArePrintableAndShort) {
  const std::string fault =
      Fault(File("{\"\\u001b[31m" + std::string(1000, 'n') + "\":null}", 0));
  EXPECT_THAT(fault, HasSubstr("\"\\x1b[31mnnn"));
  EXPECT_LT(fault.size(), 300);
}

TEST(SafetensorsTest, EveryTruncationSaysHowMuchIsMissing) {
  const std::string& whole = SmallFile();
  uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  for (size_t length = 0; length < whole.size(); ++length) {
    // What is known to come: the length, then the header, then the data.
    const size_t expected = length < 8            ? 8
                            : length < 8 + header ? 8 + header
                                                  : whole.size();
    EXPECT_EQ(Fault(whole.substr(0, length)),
              "the file was cut off: " + std::to_string(expected - length) +
                  " bytes are missing at its end");
  }
}

TEST(SafetensorsTest, ABitThatFlipsIsSeenOrChangesWhatIsRead) {
  const std::string& whole = SmallFile();
  const auto original = ParseSafetensors(whole);
  ASSERT_TRUE(original.ok());
  size_t unseen = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto read = ParseSafetensors(flipped);
    if (read.ok() && SameMeaning(*read, *original)) ++unseen;
  }
  EXPECT_EQ(unseen, 0);
}

TEST(SafetensorsTest, GarbledFilesAreReadOrRefusedAndNothingElse) {
  std::mt19937 random(7);
  const std::string alphabet = "{}[]\",:0123456789 F\\u\0\xFF";
  for (int run = 0; run < 20'000; ++run) {
    std::string bytes = SmallFile();
    for (unsigned change = 1 + random() % 4; change > 0; --change) {
      const size_t at = 8 + random() % (bytes.size() - 8);
      if (random() % 3 == 0) {
        bytes.erase(at, random() % 5);
      } else {
        bytes[at] = alphabet[random() % alphabet.size()];
      }
      if (bytes.size() < 40) break;
    }
    const auto file = ParseSafetensors(bytes);
    if (!file.ok()) {
      EXPECT_FALSE(file.status().message().empty());
      continue;
    }
    for (const Tensor& tensor : file->tensors) {
      size_t count = 1;
      for (const uint64_t side : tensor.shape) count *= side;
      EXPECT_EQ(tensor.bytes.size(), count * 4);
    }
  }
}

}  // namespace
}  // namespace backprop
