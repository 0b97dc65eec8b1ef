// SPDX-License-Identifier: Apache-2.0
//
// CreateSession, GetSession, ListSessions, DeleteSession.
#include <set>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;

class SessionRpcTest : public ServiceTest {
 protected:
  v1::CreateSessionRequest Request(const std::string& request_id) {
    v1::CreateSessionRequest request;
    *request.mutable_spec() = Spec(3, {2, 1});
    request.set_request_id(request_id);
    return request;
  }

  // The id of the session that Request(request_id) makes.
  std::string IdOf(const std::string& request_id) {
    return Create(Request(request_id)).session_id();
  }

  std::vector<std::string> List(uint32_t page_size, std::string* token) {
    v1::ListSessionsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(*token);
    const auto response = Ask(&Stub::ListSessions, request);
    *token = response.next_page_token();
    std::vector<std::string> ids;
    for (const v1::Session& session : response.sessions()) {
      ids.push_back(session.session_id());
    }
    return ids;
  }
};

TEST_F(SessionRpcTest, CreateFillsInDefaults) {
  v1::SessionSpec spec;
  spec.set_input_size(3);
  spec.add_layers()->set_size(2);
  spec.mutable_optimiser()->mutable_sgd();
  spec.mutable_optimiser()->set_learning_rate(0.5F);
  const v1::Session session = Create(spec);
  EXPECT_NE(session.session_id(), "");
  EXPECT_EQ(session.spec().layers(0).activation(), v1::ACTIVATION_IDENTITY);
  EXPECT_EQ(session.spec().loss(), v1::LOSS_HALF_SQUARED_ERROR);
  EXPECT_EQ(session.spec().batch_size(), 1u);
  EXPECT_EQ(session.spec().digest_every(), 1024u);
  EXPECT_EQ(session.spec().initialiser().kind(),
            v1::INITIALISER_KIND_GLOROT_UNIFORM);
  EXPECT_EQ(session.spec().input().element_type(), v1::ELEMENT_TYPE_FLOAT32);
  EXPECT_EQ(session.spec().input().scale(), 1.0F);
  EXPECT_EQ(session.step(), 0u);
  EXPECT_EQ(session.next_offset(), 0u);
  EXPECT_FALSE(session.has_writer());
  EXPECT_GT(session.create_time().seconds(), 1'700'000'000);
}

TEST_F(SessionRpcTest, LayoutSaysWhereEverythingLies) {
  const v1::Session session = Create(Spec(784, {128, 10}));
  const v1::Layout& layout = session.layout();
  ASSERT_EQ(layout.layers_size(), 2);
  EXPECT_EQ(layout.weight_count(), 784u * 128 + 128 + 128 * 10 + 10);
  EXPECT_EQ(layout.delta_row_length(), 266u);
  EXPECT_EQ(layout.layers(0).delta_form(), v1::DELTA_FORM_FACTORED);
  EXPECT_EQ(layout.layers(0).bias_begin(), 784u * 128);
  EXPECT_EQ(layout.layers(1).weights_begin(), 784u * 128 + 128);
  EXPECT_EQ(layout.layers(1).delta_begin(), 128u);
  EXPECT_EQ(layout.layers(1).delta_length(), 138u);
  // 1·(3 + 1) ≥ 3·1: cheaper dense.
  EXPECT_EQ(Create(Spec(3, {1})).layout().layers(0).delta_form(),
            v1::DELTA_FORM_DENSE);
}

TEST_F(SessionRpcTest, TheSameSeedGivesTheSameWeights) {
  const uint64_t digest = Digest(Create(Spec(5, {4, 3})));
  EXPECT_EQ(Digest(Create(Spec(5, {4, 3}))), digest);
  EXPECT_NE(Digest(Create(With(Spec(5, {4, 3}), "initialiser {seed: 8}"))),
            digest);
}

TEST_F(SessionRpcTest, GivenWeightsAreTaken) {
  v1::CreateSessionRequest request = Request("");
  const std::vector<float> given = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -0x1p121F};
  request.mutable_initial()->set_weights(Bytes(given));
  const v1::Session session = Create(request);
  EXPECT_FALSE(session.spec().has_initialiser());
  EXPECT_EQ(Weights(session), given);
}

TEST_F(SessionRpcTest, GivenWeightsOfAnyWrongKindAreRefused) {
  const std::vector<std::vector<float>> wrong = {
      std::vector<float>(10, 1),
      std::vector<float>(12, 1),
      {1, 2, 3, 4, 5, NAN, 7, 8, 9, 10, 11},
      {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, INFINITY},
      {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0x1.000002p121F}};
  for (const auto& weights : wrong) {
    v1::CreateSessionRequest request = Request("");
    request.mutable_initial()->set_weights(Bytes(weights));
    EXPECT_THAT(TryCreate(request), IsInvalid(ElementsAre("initial.weights")));
  }
  v1::CreateSessionRequest request = Request("");
  request.mutable_initial()->set_weights(std::string(43, 'x'));
  EXPECT_THAT(Fields(TryCreate(request)), ElementsAre("initial.weights"));
}

TEST_F(SessionRpcTest, RepeatedRequestIdReturnsTheFirstSession) {
  const std::string first = IdOf("a");
  EXPECT_EQ(IdOf("a"), first);
  EXPECT_NE(IdOf("b"), first);
  EXPECT_NE(IdOf(""), IdOf(""));
}

TEST_F(SessionRpcTest, RequestIdWithAnotherSpecIsRefused) {
  Create(Request("a"));
  v1::CreateSessionRequest other = Request("a");
  other.mutable_spec()->mutable_initialiser()->set_seed(99);
  EXPECT_THAT(TryCreate(other),
              Fails(grpc::StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED"));
  v1::CreateSessionRequest weights = Request("a");
  weights.mutable_initial()->set_weights(Bytes(std::vector<float>(11, 1)));
  EXPECT_EQ(Reason(TryCreate(weights)), "REQUEST_ID_REUSED");
}

TEST_F(SessionRpcTest, RequestIdIsFreeAgainAfterDelete) {
  const std::string first = IdOf("a");
  ASSERT_TRUE(Delete(first).ok());
  EXPECT_NE(IdOf("a"), first);
}

TEST_F(SessionRpcTest, ParallelRequestsWithOneIdMakeOneSession) {
  std::vector<std::string> ids(16);
  std::vector<std::thread> callers;
  for (std::string& id : ids) {
    callers.emplace_back([this, &id] { id = IdOf("same"); });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  std::string token;
  EXPECT_EQ(List(0, &token).size(), 1u);
}

TEST_F(SessionRpcTest, RequestIdAboveItsLengthIsRefused) {
  EXPECT_TRUE(TryCreate(Request(std::string(128, 'x'))).ok());
  EXPECT_THAT(Fields(TryCreate(Request(std::string(129, 'x')))),
              ElementsAre("request_id"));
}

TEST_F(SessionRpcTest, PagesHoldEverySessionOnceInOrder) {
  std::set<std::string> made;
  for (int i = 0; i < 25; ++i) {
    made.insert(Create(Spec(2, {1})).session_id());
  }
  std::vector<std::string> listed;
  std::string token;
  int pages = 0;
  do {
    const std::vector<std::string> page = List(10, &token);
    listed.insert(listed.end(), page.begin(), page.end());
    ++pages;
  } while (!token.empty() && pages < 100);
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(listed, ::testing::ElementsAreArray(made));
}

TEST_F(SessionRpcTest, AFullLastPageHasNoNextToken) {
  for (int i = 0; i < 10; ++i) Create(Spec(2, {1}));
  std::string token;
  EXPECT_EQ(List(10, &token).size(), 10u);
  EXPECT_EQ(token, "");
}

TEST_F(SessionRpcTest, ATokenThatIsNoneIsRefused) {
  for (const char* token : {"x", "%%%", "\x01\x02"}) {
    v1::ListSessionsRequest request;
    request.set_page_token(token);
    EXPECT_THAT(Try(&Stub::ListSessions, request),
                IsInvalid(ElementsAre("page_token")));
  }
}

TEST_F(SessionRpcTest, APageAboveItsLimitIsRefused) {
  v1::ListSessionsRequest request;
  request.set_page_size(1001);
  EXPECT_THAT(Fields(Try(&Stub::ListSessions, request)),
              ElementsAre("page_size"));
}

TEST_F(SessionRpcTest, PagingGoesOnWhenTheTokensSessionIsGone) {
  for (int i = 0; i < 5; ++i) Create(Spec(2, {1}));
  std::string token;
  const std::vector<std::string> first = List(2, &token);
  for (const std::string& id : first) EXPECT_TRUE(Delete(id).ok());
  EXPECT_EQ(List(10, &token).size(), 3u);
}

TEST_F(SessionRpcTest, ADeletedSessionIsUnknownToEveryCall) {
  const std::string id = Create(Spec(2, {1})).session_id();
  ASSERT_TRUE(Delete(id).ok());
  EXPECT_EQ(Reason(Delete(id)), "SESSION_NOT_FOUND");
  EXPECT_THAT(Try(&Stub::GetSession, For<v1::GetSessionRequest>(id)),
              Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
  EXPECT_EQ(Reason(Try(&Stub::TrainStep,
                       For<v1::TrainStepRequest>(id, "samples {}"))),
            "SESSION_NOT_FOUND");
  EXPECT_EQ(
      Reason(Try(&Stub::Predict, For<v1::PredictRequest>(id, "values: 0"))),
      "SESSION_NOT_FOUND");
  EXPECT_EQ(Reason(TrainCall(stub(), id).Finish()), "SESSION_NOT_FOUND");
}

TEST_F(SessionRpcTest, MissingSessionIdNamesTheField) {
  EXPECT_THAT(Fields(Delete("")), ElementsAre("session_id"));
  EXPECT_THAT(Fields(Try(&Stub::GetSession, v1::GetSessionRequest())),
              ElementsAre("session_id"));
  EXPECT_THAT(Fields(Try(&Stub::TrainStep, v1::TrainStepRequest())),
              ::testing::Contains("session_id"));
  EXPECT_THAT(Fields(Try(&Stub::Predict, v1::PredictRequest())),
              ::testing::Contains("session_id"));
}

TEST_F(SessionRpcTest, AnIdOfAnyBytesIsAnsweredReadably) {
  std::string id;
  for (int i = 0; i < 1500; ++i) id += "é";  // an answer holds 1024 bytes
  for (const std::string& odd : {id, "x" + id, std::string(1, '\0')}) {
    EXPECT_THAT(Delete(odd),
                Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
  }
  const grpc::Status status = Delete(id + id);  // longer than such requests are
  EXPECT_EQ(Reason(status), "INVALID_REQUEST");
  EXPECT_THAT(Fields(status), ElementsAre("DeleteSessionRequest"));
}

TEST_F(SessionRpcTest, SessionsAboveTheLimitAreRefusedUntilOneIsDeleted) {
  StartWith([](auto& o) { o.max_sessions = 3; });
  std::string last;
  for (int i = 0; i < 3; ++i) last = Create(Spec(2, {1})).session_id();
  EXPECT_THAT(TryCreate(Spec(2, {1})),
              Fails(grpc::StatusCode::RESOURCE_EXHAUSTED, "SESSION_LIMIT"));
  ASSERT_TRUE(Delete(last).ok());
  EXPECT_TRUE(TryCreate(Spec(2, {1})).ok());
}

TEST_F(SessionRpcTest, OptimiserStateCountsTowardsTheWeightLimit) {
  StartWith([](auto& o) {
    o.max_total_weights = 270;
    o.max_session_weights = 90;  // of weights alone
  });
  // 90 weights, 180 numbers of state.
  const v1::SessionSpec adam = With(Spec(9, {9}), "optimiser {adam {}}");
  const std::string id = Create(adam).session_id();
  EXPECT_EQ(Reason(TryCreate(Spec(1, {1}))), "SESSION_LIMIT");
  ASSERT_TRUE(Delete(id).ok());
  // No deletion makes room for more than there is.
  const grpc::Status never =
      TryCreate(With(adam, "input {standardisation {learn_samples: 2}}"));
  EXPECT_THAT(never, IsInvalid(ElementsAre("spec")));
  EXPECT_THAT(never.error_message(),
              ::testing::AllOf(::testing::HasSubstr("270"),
                               ::testing::HasSubstr("--max-total-weights")));
}

TEST_F(SessionRpcTest, AllSessionsTogetherStayWithinTheWeightLimit) {
  StartWith([](auto& o) { o.max_total_weights = 100; });
  EXPECT_TRUE(TryCreate(Spec(9, {9})).ok());  // 90 weights
  EXPECT_EQ(Reason(TryCreate(Spec(9, {9}))), "SESSION_LIMIT");
  EXPECT_TRUE(TryCreate(Spec(9, {1})).ok());  // 10 more
}

TEST_F(SessionRpcTest, AnIdMadeAfterDeleteIsNotReused) {
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    const std::string id = Create(Spec(2, {1})).session_id();
    EXPECT_TRUE(ids.insert(id).second);
    ASSERT_TRUE(Delete(id).ok());
  }
}

}  // namespace
}  // namespace backprop::testing
