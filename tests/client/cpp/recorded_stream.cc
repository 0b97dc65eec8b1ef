// SPDX-License-Identifier: Apache-2.0
#include "tests/client/cpp/recorded_stream.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "client/cpp/anchor_download.h"

namespace backprop::testing {
namespace {

std::vector<std::string> MessagesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  std::string_view rest = bytes;
  std::vector<std::string> messages;
  while (!rest.empty()) {
    uint32_t length = 0;
    if (rest.size() >= sizeof length) {
      std::memcpy(&length, rest.data(), sizeof length);
    }
    if (rest.size() < sizeof length || rest.size() - sizeof length < length) {
      ADD_FAILURE() << path << " ends within a message";
      break;
    }
    messages.emplace_back(rest.substr(sizeof length, length));
    rest.remove_prefix(sizeof length + length);
  }
  return messages;
}

}  // namespace

RecordedStream ReadStream(const std::filesystem::path& path) {
  const std::vector<std::string> messages = MessagesOf(path);
  RecordedStream stream;
  stream.name = path.stem();
  if (messages.size() < 3) {
    ADD_FAILURE() << path << " has no session, anchor and end";
    return stream;
  }
  EXPECT_TRUE(stream.session.ParseFromString(messages[0]));
  EXPECT_TRUE(stream.anchor.ParseFromString(messages[1]));
  EXPECT_TRUE(stream.end.ParseFromString(messages.back()));
  for (size_t i = 2; i + 1 < messages.size(); ++i)
    EXPECT_TRUE(stream.responses.emplace_back().ParseFromString(messages[i]));
  return stream;
}

Anchor AnchorOf(const v1::GetWeightsResponse& chunk) {
  AnchorDownload download(/*with_state=*/true);
  EXPECT_TRUE(download.Add(chunk).ok());
  absl::StatusOr<Anchor> anchor = std::move(download).Finish();
  EXPECT_TRUE(anchor.ok()) << anchor.status();
  return anchor.ok() ? *std::move(anchor) : Anchor();
}

}  // namespace backprop::testing
