// SPDX-License-Identifier: Apache-2.0
//
// The streams of proto/testdata, recorded from a server: the replica comes to
// the server's bits after every step, and notices a wrong one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "client/cpp/replica.h"
#include "tests/client/cpp/recorded_stream.h"

namespace backprop {
namespace {

using ::testing::HasSubstr;
using testing::RecordedStream;

constexpr size_t kFewestStreams = 70;

std::vector<RecordedStream> AllStreams() {
  std::vector<RecordedStream> streams;
  for (const auto& entry :
       std::filesystem::directory_iterator("proto/testdata")) {
    if (entry.path().extension() == ".stream")
      streams.push_back(testing::ReadStream(entry.path()));
  }
  return streams;
}

// Applies all responses, then compares with the end's weights and state.
absl::Status Replay(const RecordedStream& stream) {
  absl::StatusOr<Replica> replica =
      Replica::Create(stream.session, testing::AnchorOf(stream.anchor));
  if (!replica.ok()) return replica.status();
  for (const v1::WatchDeltasResponse& response : stream.responses) {
    absl::Status status = replica->Apply(response);
    if (!status.ok()) return status;
  }
  return replica->Verify(testing::AnchorOf(stream.end));
}

// So many steps have a digest that a replay compares.
size_t DigestCount(const RecordedStream& stream) {
  size_t count = 0;
  for (const v1::WatchDeltasResponse& response : stream.responses)
    count += response.digests_size();
  return count;
}

TEST(TestdataTest, ReplicaHasTheServersBitsAfterEveryStep) {
  const std::vector<RecordedStream> streams = AllStreams();
  EXPECT_GE(streams.size(), kFewestStreams);
  for (const RecordedStream& stream : streams) {
    EXPECT_EQ(Replay(stream), absl::OkStatus()) << stream.name;
    EXPECT_EQ(DigestCount(stream), stream.end.step() - stream.anchor.step())
        << stream.name;
  }
}

TEST(TestdataTest, FlippedBitIsNoticedAtItsStep) {
  for (RecordedStream& stream : AllStreams()) {
    auto response = std::ranges::find_if(
        stream.responses,
        [](const auto& candidate) { return !candidate.deltas().empty(); });
    std::string& deltas = *response->mutable_deltas();
    // Of the first layer's first u, or D: none that is small, or dropped, or
    // clipped whatever it is.
    std::vector<float> row(stream.session.layout().layers(0).outputs());
    std::memcpy(row.data(), deltas.data(), row.size() * sizeof(float));
    const auto largest = std::ranges::max_element(
        row, {}, [](float number) { return std::abs(number); });
    const size_t at = largest - row.begin();
    if (stream.session.layout().rule() == v1::RULE_LION) {
      // Of a gradient all that moves Lion's weights is the sign.
      deltas[at * sizeof(float) + 3] ^= '\x80';
    } else {
      deltas[at * sizeof(float) + 2] ^= 1 << 4;  // bit 20 of the number
    }
    const absl::Status status = Replay(stream);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << stream.name;
    EXPECT_THAT(
        std::string(status.message()),
        HasSubstr("after step " + std::to_string(response->base_step() + 1)))
        << stream.name;
  }
}

}  // namespace
}  // namespace backprop
