// SPDX-License-Identifier: Apache-2.0
//
// What the server says of itself.
#include <google/protobuf/util/time_util.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "engine/kernels/blas.h"
#include "engine/kernels/instruction_set.h"
#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class GetServerInfoTest : public ServiceTest {
 protected:
  v1::GetServerInfoResponse Info() {
    return Ask(&Stub::GetServerInfo, v1::GetServerInfoRequest());
  }
};

TEST_F(GetServerInfoTest, VersionsAndKernelsAreThoseOfTheMetrics) {
  const v1::GetServerInfoResponse info = Info();
  EXPECT_NE(info.version(), "");
  EXPECT_NE(info.grpc_version(), "");
  const std::string metrics = MetricsText();
  EXPECT_THAT(metrics, HasSubstr("version=\"" + info.version() + "\""));
  EXPECT_THAT(metrics, HasSubstr("grpc=\"" + info.grpc_version() + "\""));
  const v1::ComputeInfo& compute = info.compute();
  EXPECT_THAT(metrics,
              HasSubstr("blas_kernels=\"" + compute.blas_kernels() + "\""));
  EXPECT_THAT(metrics, HasSubstr("instruction_set=\"" +
                                 compute.instruction_set() + "\""));
  // Of OpenBLAS's words about itself its name and version.
  std::istringstream words(compute.blas());
  std::string name, version;
  words >> name >> version;
  EXPECT_THAT(metrics, HasSubstr("blas=\"" + name + " " + version + "\""));
}

TEST_F(GetServerInfoTest, TellsWithWhatItComputes) {
  StartWith([](auto& o) { o.compute_threads = 3; });
  const v1::ComputeInfo compute = Info().compute();
  EXPECT_EQ(compute.threads(), 3u);
  EXPECT_EQ(compute.instruction_set(), InstructionSet());
  EXPECT_THAT(compute.blas(), StartsWith("OpenBLAS "));
  EXPECT_EQ(compute.blas(), blas::Config());
  EXPECT_EQ(compute.blas_kernels(), blas::CoreName());
  EXPECT_NE(compute.blas_kernels(), "");
}

TEST_F(GetServerInfoTest, ThreadsAreAsManyAsThereAreNotAsWereAskedFor) {
  StartWith([](auto& o) { o.compute_threads = 0; });
  EXPECT_EQ(Info().compute().threads(), std::thread::hardware_concurrency());
}

TEST_F(GetServerInfoTest, LimitsAreTheOperators) {
  ServerOptions options = SmallLimits();
  options.max_message_bytes = 100'001;
  options.max_sessions = 1002;
  options.max_session_weights = 1003;
  options.max_total_weights = 10'004;
  options.max_queued_bytes = 1005;
  options.max_watched_bytes = 1006;
  options.max_pending_calls = 1007;
  options.max_undurable_bytes = 1008;
  options.max_held_bytes = 1009;
  StartServer(options);
  const v1::ServerLimits limits = Info().limits();
  EXPECT_EQ(limits.max_message_bytes(), options.max_message_bytes);
  EXPECT_EQ(limits.max_sessions(), options.max_sessions);
  EXPECT_EQ(limits.max_session_weights(), options.max_session_weights);
  EXPECT_EQ(limits.max_total_weights(), options.max_total_weights);
  EXPECT_EQ(limits.max_queued_bytes(), options.max_queued_bytes);
  EXPECT_EQ(limits.max_watched_bytes(), options.max_watched_bytes);
  EXPECT_EQ(limits.max_pending_calls(), options.max_pending_calls);
  EXPECT_EQ(limits.max_undurable_bytes(), options.max_undurable_bytes);
  EXPECT_EQ(limits.max_held_bytes(), options.max_held_bytes);
  // A limit that is added to the protocol is set, and from a field of its own.
  std::set<uint64_t> values;
  const auto& type = *v1::ServerLimits::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const uint64_t value =
        limits.GetReflection()->GetUInt64(limits, type.field(i));
    EXPECT_TRUE(value > 0 && values.insert(value).second)
        << type.field(i)->name();
  }
}

TEST_F(GetServerInfoTest, ANewStartTimeMeansANewServer) {
  const v1::GetServerInfoResponse first = Info();
  // Not std::time, whose clock may be a tick behind.
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t age =
      std::chrono::duration_cast<std::chrono::seconds>(now).count() -
      first.start_time().seconds();
  EXPECT_GE(age, 0);
  EXPECT_LT(age, 60);
  EXPECT_EQ(Info().DebugString(), first.DebugString());
  StartServer(SmallLimits());
  EXPECT_GT(Info().start_time(), first.start_time());
}

// An operator asks a server that does badly.
TEST_F(GetServerInfoTest, IsAnsweredWhereNoCallMayWait) {
  StartWith([](auto& o) { o.max_pending_calls = 0; });
  v1::ListSessionsResponse response;
  EXPECT_EQ(Reason(Call(&Stub::ListSessions, {}, &response)), "QUEUE_LIMIT");
  EXPECT_NE(Info().version(), "");
}

}  // namespace
}  // namespace backprop::testing
