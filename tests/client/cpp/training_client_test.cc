// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/training_client.h"

#include <gmock/gmock.h>
#include <grpcpp/test/mock_stream.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cpp/training_stub.h"
#include "engine/contract/digest.h"
#include "tests/client/cpp/session_message.h"
#include "tests/client/mock_reader.h"
#include "tests/client/mock_stub.h"

namespace backprop {
namespace {

using ::testing::_;
using ::testing::DoAll;
using ::testing::HasSubstr;
using ::testing::Invoke;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::SetArgPointee;

v1::GetWeightsResponse Chunk(uint64_t first, const std::vector<float>& part,
                             const std::vector<float>& all) {
  auto chunk =
      testing::Parsed<v1::GetWeightsResponse>("step: 7 next_offset: 70");
  chunk.set_digest(Digest(all));
  chunk.set_weight_count(all.size());
  chunk.set_first_weight(first);
  chunk.set_weights(testing::Bytes(part));
  return chunk;
}

class TrainingClientTest : public ::testing::Test {
 protected:
  absl::StatusOr<Anchor> Download(
      const std::vector<v1::GetWeightsResponse>& chunks,
      const grpc::Status& status = grpc::Status(), bool with_state = false) {
    EXPECT_CALL(*stub_, GetWeightsRaw(_, _))
        .WillOnce(Invoke([&](auto*, const v1::GetWeightsRequest& request) {
          EXPECT_EQ(request.with_state(), with_state);
          return testing::ReaderOf(chunks, status)
              .release();  // the client takes it
        }));
    return client_.DownloadWeights("s1", with_state);
  }

  std::shared_ptr<testing::MockStub> stub_ = testing::NewMockStub();
  TrainingClient client_{TrainingStub{stub_}};
  const std::vector<float> all_ = {1, 2, 3};
};

TEST_F(TrainingClientTest, ChunksBecomeAnAnchor) {
  absl::StatusOr<Anchor> anchor =
      Download({Chunk(0, {1, 2}, all_), Chunk(2, {3}, all_)});
  ASSERT_TRUE(anchor.ok()) << anchor.status();
  EXPECT_EQ(anchor->weights, all_);
  EXPECT_EQ(anchor->step, 7U);
  EXPECT_EQ(anchor->next_offset, 70U);
  EXPECT_EQ(anchor->digest, Digest(all_));
}

TEST_F(TrainingClientTest, ChunksThatDoNotFitAreDataLoss) {
  v1::GetWeightsResponse other_step = Chunk(2, {3}, all_);
  other_step.set_step(8);
  v1::GetWeightsResponse half_a_number = Chunk(0, all_, all_);
  half_a_number.mutable_weights()->pop_back();
  v1::GetWeightsResponse too_long = Chunk(0, all_, all_);
  too_long.set_weight_count(2);
  v1::GetWeightsResponse endless = Chunk(0, all_, all_);
  endless.set_weight_count(~uint64_t{0});
  const std::vector<std::vector<v1::GetWeightsResponse>> broken = {
      {},
      {Chunk(0, {1, 2}, all_)},                       // cut off
      {Chunk(0, {1}, all_), Chunk(2, {3}, all_)},     // a gap
      {Chunk(0, {1, 2}, all_), Chunk(0, {3}, all_)},  // a repeat
      {Chunk(0, {1, 2}, all_), other_step},           // of another step
      {half_a_number},
      {too_long},
      {endless},
      {Chunk(0, {1, 2, 4}, all_)},  // wrong digest
  };
  for (size_t i = 0; i < broken.size(); ++i)
    EXPECT_EQ(Download(broken[i]).status().code(), absl::StatusCode::kDataLoss)
        << i;
}

TEST_F(TrainingClientTest, StateAndStandardisationComeWithTheAnchor) {
  v1::GetWeightsResponse first = Chunk(0, {1, 2}, all_);
  *first.mutable_standardisation() =
      testing::Parsed<v1::Standardisation>("mean: 0.5 factor: 2");
  absl::StatusOr<Anchor> anchor =
      Download({first, Chunk(2, {3, 4, 5, 6, 7}, all_), Chunk(7, {8, 9}, all_)},
               grpc::Status(), true);
  ASSERT_TRUE(anchor.ok()) << anchor.status();
  EXPECT_EQ(anchor->weights, all_);
  EXPECT_EQ(anchor->state, (std::vector<float>{4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(anchor->mean, std::vector<float>{0.5F});
  EXPECT_EQ(anchor->factor, std::vector<float>{2});
}

// Field 1000, which a newer protocol may have.
TEST_F(TrainingClientTest, AnAnchorKnowsThatANewerServerSaidMore) {
  const auto add_unknown = [](google::protobuf::Message* message) {
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(1000, 1);
  };
  v1::GetWeightsResponse chunk = Chunk(0, all_, all_);
  EXPECT_FALSE(Download({chunk})->has_more);
  add_unknown(&chunk);
  const absl::StatusOr<Anchor> anchor = Download({chunk});
  ASSERT_TRUE(anchor.ok()) << anchor.status();
  EXPECT_TRUE(anchor->has_more);
  EXPECT_TRUE(absl::IsUnimplemented(client_.RestoreSession(*anchor).status()));
  chunk = Chunk(0, all_, all_);
  add_unknown(chunk.mutable_standardisation());
  EXPECT_TRUE(Download({chunk})->has_more);
  v1::GetWeightsResponse last = Chunk(2, {3}, all_);
  add_unknown(&last);
  EXPECT_TRUE(Download({Chunk(0, {1, 2}, all_), last})->has_more);
}

TEST_F(TrainingClientTest, StateThatIsCutOffOrEndlessIsDataLoss) {
  v1::GetWeightsResponse resized = Chunk(3, {4, 5, 6}, all_);
  resized.set_weight_count(6);
  for (const auto& second : {Chunk(3, {4, 5}, all_),
                             Chunk(3, {4, 5, 6, 7, 8, 9, 10}, all_), resized})
    EXPECT_EQ(Download({Chunk(0, all_, all_), second}, grpc::Status(), true)
                  .status()
                  .code(),
              absl::StatusCode::kDataLoss);
}

TEST_F(TrainingClientTest, ServersErrorOutranksMissingChunks) {
  EXPECT_EQ(Download({}, grpc::Status(grpc::StatusCode::NOT_FOUND, "no such"))
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(TrainingClientTest, UnaryCallsHaveADeadline) {
  EXPECT_CALL(*stub_, GetSession(_, _, _))
      .WillOnce(Invoke([](grpc::ClientContext* context,
                          const v1::GetSessionRequest& request,
                          v1::GetSessionResponse* response) {
        EXPECT_LT(context->deadline(),
                  std::chrono::system_clock::now() + std::chrono::minutes(2));
        *response->mutable_session() = testing::SessionMessage(2, {1});
        response->mutable_session()->set_session_id(request.session_id());
        return grpc::Status();
      }));
  absl::StatusOr<v1::Session> session = client_.GetSession("abc");
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session->session_id(), "abc");
}

TEST_F(TrainingClientTest, TheServerIsAskedAboutItselfWithADeadline) {
  EXPECT_CALL(*stub_, GetServerInfo(_, _, _))
      .WillOnce(Invoke([](grpc::ClientContext* context,
                          const v1::GetServerInfoRequest&,
                          v1::GetServerInfoResponse* response) {
        EXPECT_LT(context->deadline(),
                  std::chrono::system_clock::now() + std::chrono::minutes(2));
        response->mutable_limits()->set_max_message_bytes(7);
        return grpc::Status();
      }))
      .WillOnce(Return(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "old")));
  EXPECT_EQ(client_.GetServerInfo()->limits().max_message_bytes(), 7U);
  EXPECT_EQ(client_.GetServerInfo().status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(TrainingClientTest, CheckpointsAreNamedAsTheyAreAskedFor) {
  EXPECT_CALL(*stub_, CreateCheckpoint(_, _, _))
      .WillOnce(Invoke([](auto*, const v1::CreateCheckpointRequest& request,
                          v1::CreateCheckpointResponse* response) {
        response->mutable_checkpoint()->set_name(request.name());
        return grpc::Status();
      }));
  EXPECT_EQ(client_
                .CreateCheckpoint(
                    testing::Parsed<v1::CreateCheckpointRequest>("name: 'a'"))
                ->name(),
            "a");
  EXPECT_CALL(*stub_, UpdateCheckpoint(_, _, _))
      .WillOnce(Invoke([](auto*, const v1::UpdateCheckpointRequest& request,
                          v1::UpdateCheckpointResponse* response) {
        response->mutable_checkpoint()->set_pinned(request.pinned());
        return grpc::Status();
      }));
  EXPECT_TRUE(
      client_
          .UpdateCheckpoint(
              testing::Parsed<v1::UpdateCheckpointRequest>("pinned: true"))
          ->pinned());
  EXPECT_CALL(*stub_, ListCheckpoints(_, _, _))
      .WillOnce(Invoke([](auto*, const v1::ListCheckpointsRequest& request,
                          v1::ListCheckpointsResponse* response) {
        response->set_next_page_token(request.page_token() + "b");
        return grpc::Status();
      }));
  EXPECT_EQ(client_
                .ListCheckpoints(testing::Parsed<v1::ListCheckpointsRequest>(
                    "page_token: 'a'"))
                ->next_page_token(),
            "ab");
  EXPECT_CALL(*stub_, DeleteCheckpoint(_, _, _))
      .WillOnce(
          Invoke([](auto*, const v1::DeleteCheckpointRequest& request, auto*) {
            EXPECT_EQ(request.session_id(), "s1");
            EXPECT_EQ(request.name(), "a");
            return grpc::Status(grpc::StatusCode::NOT_FOUND, "gone");
          }));
  EXPECT_EQ(client_.DeleteCheckpoint("s1", "a").code(),
            absl::StatusCode::kNotFound);
  EXPECT_CALL(*stub_, RewindSession(_, _, _))
      .WillOnce(Invoke([](auto*, const v1::RewindSessionRequest& request,
                          v1::RewindSessionResponse* response) {
        EXPECT_EQ(request.session_id(), "s1");
        EXPECT_EQ(request.checkpoint(), "a");
        response->mutable_session()->set_epoch(2);
        return grpc::Status();
      }));
  EXPECT_EQ(client_.RewindSession("s1", "a")->epoch(), 2U);
}

TEST_F(TrainingClientTest, UpdateAndForkPassOnWhatIsAskedFor) {
  EXPECT_CALL(*stub_, UpdateSession(_, _, _))
      .WillOnce(Invoke([](auto*, const v1::UpdateSessionRequest& request,
                          v1::UpdateSessionResponse* response) {
        EXPECT_EQ(request.update_mask().paths(0), "optimiser.l2");
        response->set_first_step(8);
        return grpc::Status();
      }));
  EXPECT_EQ(client_
                .UpdateSession(testing::Parsed<v1::UpdateSessionRequest>(
                    "update_mask {paths: 'optimiser.l2'}"))
                ->first_step(),
            8U);
  EXPECT_CALL(*stub_, CreateSession(_, _, _))
      .WillOnce(Invoke([](auto*, const v1::CreateSessionRequest& request,
                          v1::CreateSessionResponse* response) {
        EXPECT_FALSE(request.has_spec());
        EXPECT_TRUE(request.fork().with_state());
        response->mutable_session()->set_forked_from(
            request.fork().session_id());
        return grpc::Status();
      }));
  EXPECT_EQ(client_
                .ForkSession(testing::Parsed<v1::Fork>(
                    "session_id: 's1' with_state: true"))
                ->forked_from(),
            "s1");
}

TEST_F(TrainingClientTest, WhatWasDownloadedIsGivenBackToPutASessionBack) {
  v1::GetWeightsResponse first = Chunk(0, {1, 2, 3, 4, 5}, all_);
  first.MergeFrom(testing::Parsed<v1::GetWeightsResponse>(
      "next_offset: 77 standardisation {mean: 0.5 factor: 2} "
      "continuation {state_age: 41} spec {input_size: 3}"));
  absl::StatusOr<Anchor> anchor =
      Download({first, Chunk(5, {6, 7, 8, 9}, all_)}, grpc::Status(), true);
  ASSERT_TRUE(anchor.ok()) << anchor.status();
  v1::CreateSessionRequest sent;
  EXPECT_CALL(*stub_, CreateSession(_, _, _))
      .WillOnce(Invoke([&](auto*, const v1::CreateSessionRequest& request,
                           v1::CreateSessionResponse* response) {
        sent = request;
        response->mutable_session()->set_session_id("s2");
        return grpc::Status();
      }));
  EXPECT_EQ(client_.RestoreSession(*anchor)->session_id(), "s2");
  EXPECT_EQ(sent.spec().DebugString(), first.spec().DebugString());
  const v1::Anchor& initial = sent.initial();
  EXPECT_EQ(initial.step(), first.step());
  EXPECT_EQ(initial.next_offset(), 77U);
  EXPECT_EQ(initial.digest(), first.digest());
  EXPECT_EQ(initial.weights(), testing::Bytes(all_));
  EXPECT_EQ(initial.state(), testing::Bytes({4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(initial.standardisation().DebugString(),
            first.standardisation().DebugString());
  EXPECT_EQ(initial.continuation().DebugString(),
            first.continuation().DebugString());
}

// gRPC's own words don't say what to do.
TEST_F(TrainingClientTest, AnAnchorBeyondTheServersMessagesNamesItsFlag) {
  EXPECT_CALL(*stub_, CreateSession(_, _, _))
      .WillOnce(Return(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                    "Received message larger than max")));
  Anchor anchor;
  anchor.weights.resize(1000);
  const absl::Status status = client_.RestoreSession(anchor).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("larger than max"), HasSubstr("40"),
                    HasSubstr("--max-message-bytes")));
}

TEST_F(TrainingClientTest, WatchAsksForWhatItsOptionsSay) {
  for (const WatchOptions& options :
       {WatchOptions(), WatchOptions{.after_step = 0},
        WatchOptions{.with_anchor = true, .with_state = true}}) {
    EXPECT_CALL(*stub_, WatchDeltasRaw(_, _))
        .WillOnce(Invoke([&](auto*, const v1::WatchDeltasRequest& request) {
          EXPECT_EQ(request.session_id(), "s1");
          EXPECT_EQ(request.has_after_step(), options.after_step.has_value());
          EXPECT_EQ(request.with_anchor(), options.with_anchor);
          EXPECT_EQ(request.with_state(), options.with_state);
          return new testing::MockReader<v1::WatchDeltasResponse>();
        }));
    client_.Watch("s1", options);
  }
}

TEST_F(TrainingClientTest, EvaluateNamesTheSessionInTheFirstMessageOnly) {
  using Writer = grpc::testing::MockClientWriter<v1::EvaluateRequest>;
  auto* writer = new NiceMock<Writer>();
  std::vector<v1::EvaluateRequest> sent;
  ON_CALL(*writer, Write(_, _))
      .WillByDefault(Invoke([&](const v1::EvaluateRequest& request, auto) {
        sent.push_back(request);
        return true;
      }));
  EXPECT_CALL(*stub_, EvaluateRaw(_, _))
      .WillOnce(Invoke([&](auto*, v1::EvaluateResponse* response) {
        response->set_accuracy(0.5);
        return writer;
      }));
  int left = 2;
  auto result = client_.Evaluate("s1", [&](v1::EvaluateRequest* request) {
    request->add_classes(static_cast<uint32_t>(left));
    return left-- > 0;
  });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->accuracy(), 0.5);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].session_id(), "s1");
  EXPECT_EQ(sent[1].session_id(), "");
  EXPECT_EQ(sent[1].classes_size(), 1);
}

TEST_F(TrainingClientTest, OpeningASessionWithAWriterSaysSo) {
  using Train = grpc::testing::MockClientReaderWriter<v1::TrainRequest,
                                                      v1::TrainResponse>;
  v1::GetSessionResponse found;
  *found.mutable_session() = testing::SessionMessage(1, {1});
  EXPECT_CALL(*stub_, GetSession(_, _, _))
      .WillOnce(DoAll(SetArgPointee<2>(found), Return(grpc::Status())));
  auto* call = new NiceMock<Train>();
  ON_CALL(*call, Write(_, _)).WillByDefault(Return(true));
  ON_CALL(*call, Finish())
      .WillByDefault(Return(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                                         "another stream writes")));
  EXPECT_CALL(*stub_, TrainRaw(_)).WillOnce(Return(call));
  auto stream = client_.OpenTrain("s1");
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(stream.status().message()), HasSubstr("another"));
}

}  // namespace
}  // namespace backprop
