// SPDX-License-Identifier: Apache-2.0
//
// Sessions that are damaged in the store: they are told of as such, others are
// as they were, and they can be deleted.
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "server/offline/check_data_dir.h"
#include "tests/server/durable_service_fixture.h"
#include "tests/server/store/raw_database.h"

namespace backprop::testing {
namespace {

using ::testing::HasSubstr;

class DamagedSessionTest : public DurableServiceTest {
 protected:
  void SetUp() override {
    DurableServiceTest::SetUp();
    session_ = Create(Spec(8, {10, 4}));
    other_ = Create(Spec(8, {10, 4}));
    digest_ = Digest(other_);
  }

  // While no server runs on the directory.
  void RestartAfter(const std::function<void()>& damage) {
    StartServer(SmallLimits());
    damage();
    Restart();
  }

  // Each place where the database's file says this is followed by that many
  // other bytes, of which the last is flipped.
  void FlipBehind(const std::string& text, size_t distance) {
    const std::string file = directory() + "/sessions.db";
    std::ostringstream read;
    read << std::ifstream(file, std::ios::binary).rdbuf();
    std::string bytes = read.str();
    size_t flipped = 0;
    for (size_t at = bytes.find(text); at != bytes.npos;
         at = bytes.find(text, at + 1)) {
      char& byte = bytes[at + text.size() + distance];
      byte = static_cast<char>(byte ^ 1);
      ++flipped;
    }
    EXPECT_GE(flipped, 1u);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::vector<v1::Session> List() {
    const auto page = Ask(&Stub::ListSessions, v1::ListSessionsRequest());
    return {page.sessions().begin(), page.sessions().end()};
  }
  grpc::Status TryGet() {
    return Try(&Stub::GetSession, For<v1::GetSessionRequest>(session_));
  }
  grpc::Status TryPredict() {
    return Try(&Stub::Predict, PredictionOf(session_.session_id(),
                                            std::vector<float>(8, 1.0F)));
  }

  void ExpectDamaged() {
    EXPECT_THAT(TryPredict(),
                Fails(grpc::StatusCode::DATA_LOSS, "SESSION_DAMAGED"));
  }

  // It is gone for good, and all that was there is as it was.
  void ExpectDeletes() {
    const grpc::Status deleted = Delete(session_);
    EXPECT_TRUE(deleted.ok()) << deleted.error_message();
    for (const bool restarted : {false, true}) {
      if (restarted) Restart();
      EXPECT_THAT(Delete(session_),
                  Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
      ASSERT_EQ(List().size(), 1u);
      EXPECT_EQ(List()[0].damage(), "");
    }
    EXPECT_EQ(Digest(other_), digest_);
    StartServer(SmallLimits());
    std::string faults;
    const auto checked = CheckDataDir(directory(), [&](std::string_view fault) {
      faults.append(fault).append("\n");
    });
    ASSERT_TRUE(checked.ok()) << checked.status();
    EXPECT_EQ(faults, "");
    EXPECT_EQ(checked->sessions, 1u);
    Restart();
  }

  v1::Session session_;
  v1::Session other_;
  uint64_t digest_ = 0;
};

TEST_F(DamagedSessionTest, OneWhoseHeadIsDamagedIsListedAsSuchAndDeleted) {
  RestartAfter([&] { FlipBehind(session_.session_id(), 40); });
  EXPECT_THAT(TryGet(), Fails(grpc::StatusCode::DATA_LOSS, "SESSION_DAMAGED"));
  EXPECT_THAT(TryGet().error_message(), HasSubstr("damaged in the store"));
  ExpectDamaged();
  const auto listed = List();
  ASSERT_EQ(listed.size(), 2u);
  for (const v1::Session& each : listed) {
    const bool is_damaged = each.session_id() == session_.session_id();
    EXPECT_EQ(is_damaged, !each.damage().empty());
    EXPECT_EQ(is_damaged, !each.has_spec());
    if (is_damaged) {
      EXPECT_THAT(each.damage(), HasSubstr("damaged in the store"));
    }
  }
  ExpectDeletes();
}

TEST_F(DamagedSessionTest, OneOfWhichARowIsDamagedIsDeleted) {
  for (const char* const sql :
       {"UPDATE pieces SET step = step + 7 WHERE session = 1",
        "DELETE FROM pieces WHERE session = 1 AND kind = 2",
        "DELETE FROM epochs WHERE session = 1"}) {
    SCOPED_TRACE(sql);
    RestartAfter([&] {
      RawDatabase raw(directory());
      const std::string key = raw.One("SELECT key FROM sessions WHERE id = '" +
                                      session_.session_id() + "'");
      std::string change(sql);
      change.replace(change.find("session = 1") + 10, 1, key);
      raw.Do(change);
    });
    ExpectDamaged();
    ExpectDeletes();
    session_ = Create(Spec(8, {10, 4}));
  }
}

TEST_F(DamagedSessionTest, OneWhoseWeightsAreDamagedIsDeleted) {
  RestartAfter([&] {
    RawDatabase(directory())
        .Do("UPDATE pieces SET bytes = zeroblob(length(bytes)) WHERE kind = 2 "
            "AND session = (SELECT key FROM sessions WHERE id = '" +
            session_.session_id() + "')");
  });
  ExpectDamaged();
  ExpectDeletes();
}

TEST_F(DamagedSessionTest, OneThatIsDamagedWhileItIsInMemoryIsDeleted) {
  RawDatabase(directory())
      .Do("UPDATE sessions SET step = step + 1 WHERE id = '" +
          session_.session_id() + "'");
  ExpectDeletes();
}

}  // namespace
}  // namespace backprop::testing
