// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/watch_stream.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/contract/digest.h"
#include "tests/client/cpp/session_message.h"
#include "tests/client/mock_reader.h"

namespace backprop {
namespace {

using Response = v1::WatchDeltasResponse;

// The server says `responses`, then ends the call with `status`.
std::unique_ptr<WatchStream> Watch(const std::vector<Response>& responses,
                                   const grpc::Status& status = {}) {
  return std::make_unique<WatchStream>(std::make_unique<grpc::ClientContext>(),
                                       testing::ReaderOf(responses, status));
}

Response Steps(uint64_t base_step, uint64_t step) {
  Response response;
  response.set_base_step(base_step);
  response.set_step(step);
  return response;
}

TEST(WatchStreamTest, LastWordIsGivenAndThenTheReason) {
  const struct {
    const char* said;
    WatchEnd end;
  } words[] = {
      {"base_step: 6 step: 6 resync: true", WatchEnd::kResync},
      {"base_step: 6 step: 6 session_deleted: true", WatchEnd::kSessionDeleted},
      {"base_step: 6 step: 6 goodbye: true", WatchEnd::kGoodbye},
  };
  for (const auto& word : words) {
    const auto last = testing::Parsed<Response>(word.said);
    auto watch = Watch({Steps(5, 5), Steps(5, 6), last});
    Response response;
    ASSERT_TRUE(watch->Next(&response));
    ASSERT_TRUE(watch->Next(&response));
    EXPECT_EQ(response.step(), 6U);
    EXPECT_EQ(watch->end(), WatchEnd::kNone);
    ASSERT_TRUE(watch->Next(&response));
    EXPECT_EQ(watch->end(), word.end);
    EXPECT_FALSE(watch->Next(&response));
    EXPECT_TRUE(watch->Finish().ok());
  }
}

// Numbers of an anchor of step 7 whose weights are {1, 2, 3}, from `first` on.
Response Chunk(uint64_t first, const std::vector<float>& numbers, bool done) {
  Response response = Steps(7, 7);
  response.set_anchor_done(done);
  v1::GetWeightsResponse* chunk = response.mutable_anchor();
  chunk->set_step(7);
  chunk->set_weight_count(3);
  chunk->set_digest(Digest(std::vector<float>{1, 2, 3}));
  chunk->set_first_weight(first);
  chunk->set_weights(testing::Bytes(numbers));
  return response;
}

TEST(WatchStreamTest, AnAnchorIsThereWithItsLastChunkAndOnce) {
  auto watch = Watch(
      {Steps(5, 6), Chunk(0, {1, 2}, false), Chunk(2, {3}, true), Steps(7, 8)});
  Response response;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(watch->Next(&response));
    EXPECT_FALSE(watch->TakeAnchor().has_value());
  }
  ASSERT_TRUE(watch->Next(&response));
  const std::optional<Anchor> anchor = watch->TakeAnchor();
  ASSERT_TRUE(anchor.has_value());
  EXPECT_EQ(anchor->step, 7U);
  EXPECT_EQ(anchor->weights, (std::vector<float>{1, 2, 3}));
  EXPECT_FALSE(watch->TakeAnchor().has_value());
  ASSERT_TRUE(watch->Next(&response));
  EXPECT_EQ(response.step(), 8U);
}

TEST(WatchStreamTest, AnAnchorThatIsNotWholeOrNotTheServersIsLost) {
  const std::vector<Response> bad[] = {
      {Chunk(0, {1, 2}, false), Chunk(1, {3}, true)},  // a gap
      {Chunk(0, {1, 2}, true)},                        // too short
      {Chunk(0, {1, 2, 4}, true)},                     // another digest
      {Chunk(0, {1, 2}, false), Steps(7, 8)}};         // cut off
  for (const std::vector<Response>& responses : bad) {
    auto watch = Watch(responses);
    Response response;
    while (watch->Next(&response)) EXPECT_FALSE(watch->TakeAnchor());
    EXPECT_EQ(watch->Finish().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(WatchStreamTest, EndWithoutAReasonIsUnavailable) {
  auto watch = Watch({Steps(5, 5)});
  Response response;
  ASSERT_TRUE(watch->Next(&response));
  EXPECT_FALSE(watch->Next(&response));
  EXPECT_EQ(watch->Finish().code(), absl::StatusCode::kUnavailable);
}

TEST(WatchStreamTest, ServersErrorIsGivenByFinish) {
  auto watch =
      Watch({}, grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "not held"));
  Response response;
  EXPECT_FALSE(watch->Next(&response));
  EXPECT_EQ(watch->Finish().code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace backprop
