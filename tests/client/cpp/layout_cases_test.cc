// SPDX-License-Identifier: Apache-2.0
//
// The cases of proto/testdata/layouts.txt, which every client's replica takes
// and refuses alike.
#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/replica.h"
#include "tests/client/cpp/recorded_stream.h"

namespace backprop {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

constexpr size_t kFewestCases = 60;

struct LayoutCase {
  std::string stream;
  std::string changes;
  std::string expected;
};

std::vector<LayoutCase> AllCases() {
  std::ifstream file("proto/testdata/layouts.txt");
  std::vector<LayoutCase> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const std::vector<std::string> columns = absl::StrSplit(line, " | ");
    EXPECT_EQ(columns.size(), 3U) << line;
    cases.push_back({columns.at(0), columns.at(1), columns.at(2)});
  }
  return cases;
}

// Field `name` of the message: empties it, then reads it from the numbers,
// which are one if it is not repeated, or none at all.
void Set(Message* message, const std::string& name,
         const std::string& numbers) {
  const FieldDescriptor* field =
      message->GetDescriptor()->FindFieldByName(name);
  ASSERT_NE(field, nullptr) << name;
  message->GetReflection()->ClearField(message, field);
  if (numbers == "none") return;
  for (const auto number : absl::StrSplit(numbers, ' ')) {
    ASSERT_TRUE(
        TextFormat::MergeFromString(absl::StrCat(name, ": ", number), message))
        << name << ' ' << number;
  }
}

// "layout.layers[1].inputs" of the session.
void Change(v1::Session* session, const std::string& path,
            const std::string& numbers) {
  std::vector<std::string> names = absl::StrSplit(path, '.');
  const std::string last = names.back();
  names.pop_back();
  Message* message = session;
  for (const std::string& step : names) {
    const std::vector<std::string> name = absl::StrSplit(step, '[');
    const FieldDescriptor* field =
        message->GetDescriptor()->FindFieldByName(name[0]);
    ASSERT_NE(field, nullptr) << path;
    int index = 0;
    if (name.size() == 2) {
      ASSERT_TRUE(
          absl::SimpleAtoi(name[1].substr(0, name[1].size() - 1), &index));
      message = message->GetReflection()->MutableRepeatedMessage(message, field,
                                                                 index);
    } else {
      message = message->GetReflection()->MutableMessage(message, field);
    }
  }
  Set(message, last, numbers);
}

TEST(LayoutCasesTest, AreTakenAndRefusedAsWritten) {
  const std::vector<LayoutCase> cases = AllCases();
  EXPECT_GE(cases.size(), kFewestCases);
  for (const LayoutCase& entry : cases) {
    SCOPED_TRACE(entry.stream + ": " + entry.changes);
    testing::RecordedStream stream =
        testing::ReadStream("proto/testdata/" + entry.stream + ".stream");
    for (const auto change : absl::StrSplit(entry.changes, ", ")) {
      const std::vector<std::string> sides = absl::StrSplit(change, " = ");
      Change(&stream.session, sides.at(0), sides.at(1));
    }
    const absl::Status status =
        Replica::Create(stream.session, testing::AnchorOf(stream.anchor))
            .status();
    if (entry.expected == "taken") {
      EXPECT_EQ(status, absl::OkStatus());
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()),
                  ::testing::HasSubstr(entry.expected));
    }
  }
}

}  // namespace
}  // namespace backprop
