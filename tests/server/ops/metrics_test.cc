// SPDX-License-Identifier: Apache-2.0
#include "server/ops/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "backprop/v1/training_service.pb.h"

namespace backprop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The number after "series " in the exposition, or NaN if it isn't there.
double Value(const Metrics& metrics, const std::string& series) {
  std::istringstream text(metrics.Serialize());
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(series + " ")) {
      return std::strtod(line.c_str() + series.size() + 1, nullptr);
    }
  }
  return std::nan("");
}

size_t CountOf(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST(MetricsTest, ATurnCountsItsSteps) {
  Metrics metrics;
  EXPECT_TRUE(std::isnan(Value(metrics, "backprop_step_error_average")));
  const std::vector<float> errors = {0.5F, 2.0F, 2.0F};
  metrics.RecordTurn({.errors = errors, .samples = 6, .seconds = 0.0045});
  EXPECT_EQ(Value(metrics, "backprop_steps_total"), 3);
  EXPECT_EQ(Value(metrics, "backprop_samples_total"), 6);
  EXPECT_EQ(Value(metrics, "backprop_step_error_count"), 3);
  EXPECT_EQ(Value(metrics, "backprop_step_error_sum"), 4.5);
  EXPECT_EQ(Value(metrics, R"(backprop_step_error_bucket{le="1"})"), 1);
  EXPECT_EQ(Value(metrics, R"(backprop_step_error_bucket{le="3"})"), 3);
  EXPECT_NEAR(Value(metrics, "backprop_step_error_average"), 1.5, 0.01);
  EXPECT_EQ(Value(metrics, "backprop_step_duration_seconds_count"), 3);
  EXPECT_NEAR(Value(metrics, "backprop_step_duration_seconds_sum"), 0.0045,
              1e-9);
  EXPECT_EQ(
      Value(metrics, R"(backprop_step_duration_seconds_bucket{le="0.001"})"),
      0);
  EXPECT_EQ(
      Value(metrics, R"(backprop_step_duration_seconds_bucket{le="0.002"})"),
      3);
}

TEST(MetricsTest, ATurnWithoutStepsChangesNothing) {
  Metrics metrics;
  metrics.RecordTurn({.errors = {}, .samples = 0, .seconds = 1});
  EXPECT_EQ(Value(metrics, "backprop_steps_total"), 0);
  EXPECT_EQ(Value(metrics, "backprop_step_duration_seconds_count"), 0);
}

TEST(MetricsTest, GaugesFollowWhatIsHeld) {
  Metrics metrics;
  metrics.SessionCreated(100);
  metrics.SessionCreated(10);
  metrics.SessionDeleted(100);
  metrics.AddTrainStreams(2);
  metrics.AddTrainStreams(-1);
  metrics.AddQueuedBytes(500);
  metrics.AddQueuedBytes(-200);
  metrics.SetHeldAnswers(70);
  metrics.SetHeldAnswers(50);
  EXPECT_EQ(Value(metrics, "backprop_sessions"), 1);
  EXPECT_EQ(Value(metrics, "backprop_sessions_created_total"), 2);
  EXPECT_EQ(Value(metrics, "backprop_sessions_deleted_total"), 1);
  EXPECT_EQ(Value(metrics, "backprop_session_weights"), 10);
  EXPECT_EQ(Value(metrics, "backprop_train_streams"), 1);
  EXPECT_EQ(Value(metrics, "backprop_queued_bytes"), 300);
  EXPECT_EQ(Value(metrics, "backprop_held_answer_bytes"), 50);
}

TEST(MetricsTest, SessionsComeIntoMemoryAndLeaveIt) {
  Metrics metrics;
  metrics.SessionsStored(5);
  metrics.SessionCreated(100);
  metrics.SessionLoaded(10, 0.003);
  metrics.SessionLoaded(20, 0.03);
  metrics.SessionLoadFailed();
  metrics.SessionEvicted(10);
  metrics.StoredSessionDeleted();
  metrics.SessionExpired();
  EXPECT_EQ(Value(metrics, "backprop_sessions"), 5);
  EXPECT_EQ(Value(metrics, "backprop_resident_sessions"), 2);
  EXPECT_EQ(Value(metrics, "backprop_session_weights"), 120);
  EXPECT_EQ(Value(metrics, "backprop_sessions_created_total"), 1);
  EXPECT_EQ(Value(metrics, "backprop_sessions_deleted_total"), 1);
  EXPECT_EQ(Value(metrics, "backprop_session_evictions_total"), 1);
  EXPECT_EQ(Value(metrics, "backprop_sessions_expired_total"), 1);
  EXPECT_EQ(Value(metrics, "backprop_session_load_failures_total"), 1);
  EXPECT_EQ(Value(metrics, "backprop_session_load_duration_seconds_count"), 2);
  EXPECT_EQ(
      Value(metrics,
            R"(backprop_session_load_duration_seconds_bucket{le="0.005"})"),
      1);
}

TEST(MetricsTest, BytesAndWaitsAddUp) {
  Metrics metrics;
  metrics.RecordReceivedBytes(784);
  metrics.RecordReceivedBytes(784);
  metrics.RecordSentBytes(1064);
  metrics.RecordQueueWait(0.003);
  EXPECT_EQ(Value(metrics, "backprop_received_bytes_total"), 1568);
  EXPECT_EQ(Value(metrics, "backprop_sent_bytes_total"), 1064);
  EXPECT_EQ(Value(metrics, R"(backprop_queue_wait_seconds_bucket{le="0.002"})"),
            0);
  EXPECT_EQ(Value(metrics, R"(backprop_queue_wait_seconds_bucket{le="0.005"})"),
            1);
}

TEST(MetricsTest, EveryReasonExistsBeforeItHappensAndNoOtherAfterwards) {
  // All of the protocol's but UNSPECIFIED, and "other".
  const auto reasons =
      static_cast<size_t>(v1::ErrorReason_descriptor()->value_count());
  Metrics metrics;
  const std::string before = metrics.Serialize();
  EXPECT_EQ(CountOf(before, "backprop_rejections_total{reason="), reasons);
  EXPECT_EQ(Value(metrics, R"(backprop_rejections_total{reason="OFFSET_GAP"})"),
            0);
  metrics.RecordRejection("OFFSET_GAP");
  for (int i = 0; i < 100; ++i) {
    metrics.RecordRejection("hostile\n" + std::to_string(i));
  }
  const std::string after = metrics.Serialize();
  EXPECT_EQ(CountOf(after, "backprop_rejections_total{reason="), reasons);
  EXPECT_THAT(after, Not(HasSubstr("hostile")));
  EXPECT_EQ(Value(metrics, R"(backprop_rejections_total{reason="OFFSET_GAP"})"),
            1);
  EXPECT_EQ(Value(metrics, R"(backprop_rejections_total{reason="other"})"),
            100);
}

TEST(MetricsTest, ReasonsAreThoseOfTheProtocol) {
  const Metrics metrics;
  const auto& values = *v1::ErrorReason_descriptor();
  for (int i = 1; i < values.value_count(); ++i) {
    const std::string reason =
        values.value(i)->name().substr(sizeof("ERROR_REASON_") - 1);
    EXPECT_EQ(
        Value(metrics, "backprop_rejections_total{reason=\"" + reason + "\"}"),
        0)
        << reason;
  }
  EXPECT_GT(values.value_count(), 22);
}

TEST(MetricsTest, AnRpcIsCountedUnderGoGrpcPrometheusNames) {
  Metrics metrics;
  Metrics::Rpc& rpc = metrics.ForRpc(Metrics::RpcType::kBidiStream,
                                     "backprop.v1.TrainingService", "Train");
  EXPECT_EQ(&rpc, &metrics.ForRpc(Metrics::RpcType::kBidiStream,
                                  "backprop.v1.TrainingService", "Train"));
  rpc.Started();
  rpc.MessageReceived();
  rpc.MessageReceived();
  rpc.MessageSent();
  rpc.Handled(9, 0.02);
  rpc.Handled(77, 0.02);
  rpc.Handled(-1, 0.02);
  const std::string method =
      R"(grpc_method="Train",grpc_service="backprop.v1.TrainingService",)"
      R"(grpc_type="bidi_stream")";
  EXPECT_EQ(Value(metrics, "grpc_server_started_total{" + method + "}"), 1);
  EXPECT_EQ(Value(metrics, "grpc_server_msg_received_total{" + method + "}"),
            2);
  EXPECT_EQ(Value(metrics, "grpc_server_msg_sent_total{" + method + "}"), 1);
  const auto handled = [&](const std::string& code) {
    return Value(metrics, "grpc_server_handled_total{grpc_code=\"" + code +
                              "\"," + method + "}");
  };
  EXPECT_EQ(handled("FailedPrecondition"), 1);
  EXPECT_EQ(handled("Unknown"), 2) << "codes that don't exist";
  EXPECT_EQ(handled("OK"), 0);
  EXPECT_EQ(handled("Unauthenticated"), 0);
  EXPECT_EQ(
      Value(metrics, "grpc_server_handling_seconds_count{" + method + "}"), 3);
}

TEST(MetricsTest, ThreadsLoseNoCount) {
  Metrics metrics;
  constexpr int kThreads = 4;
  constexpr int kTurns = 1000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&metrics] {
      const std::vector<float> errors = {1, 1};
      for (int j = 0; j < kTurns; ++j) {
        metrics.RecordTurn({.errors = errors, .samples = 2, .seconds = 1e-5});
        metrics.RecordRejection("SESSION_LIMIT");
        metrics.ForRpc(Metrics::RpcType::kUnary, "s", std::to_string(j % 3))
            .Started();
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(metrics.Serialize().empty());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Value(metrics, "backprop_steps_total"), 2.0 * kThreads * kTurns);
  EXPECT_EQ(Value(metrics, "backprop_step_error_sum"), 2.0 * kThreads * kTurns);
  EXPECT_NEAR(Value(metrics, "backprop_step_error_average"), 1, 1e-9);
}

TEST(MetricsTest, ProcessAndBuildAreDescribed) {
  Metrics metrics;
  metrics.DescribeBuild({.blas = "OpenBLAS 1.2.3",
                         .blas_kernels = "Abacus",
                         .instruction_set = "BEADS"});
  for (const char* name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
        "process_start_time_seconds"}) {
    EXPECT_GT(Value(metrics, name), 0) << name;
  }
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("\nbackprop_log_lines_dropped_total "));
  EXPECT_THAT(text, HasSubstr("backprop_build_info{"));
  EXPECT_THAT(text, HasSubstr("version=\"" BACKPROP_VERSION "\""));
  EXPECT_THAT(text, HasSubstr("grpc=\"1."));
  EXPECT_THAT(text, HasSubstr("compiler=\""));
  EXPECT_THAT(text, HasSubstr("blas=\"OpenBLAS 1.2.3\""));
  EXPECT_THAT(text, HasSubstr("blas_kernels=\"Abacus\""));
  EXPECT_THAT(text, HasSubstr("instruction_set=\"BEADS\""));
}

TEST(MetricsTest, PromtoolFindsNothingToSay) {
  Metrics metrics;
  const std::vector<float> errors = {0.5F, 2.0F};
  metrics.RecordTurn({.errors = errors, .samples = 2, .seconds = 1e-4});
  metrics.RecordQueueWait(0.1);
  metrics.RecordRejection("SESSION_BUSY");
  metrics.ForRpc(Metrics::RpcType::kUnary, "s", "m").Handled(0, 0.1);
  const std::string path =
      testing::TempDir() + "metrics" + std::to_string(getpid());
  std::ofstream(path) << metrics.Serialize();
  FILE* const promtool = popen(
      (std::string(PROMTOOL) + " check metrics < " + path + " 2>&1").c_str(),
      "r");
  ASSERT_NE(promtool, nullptr);
  std::string said;
  for (int c = fgetc(promtool); c != EOF; c = fgetc(promtool)) {
    said.push_back(static_cast<char>(c));
  }
  EXPECT_EQ(pclose(promtool), 0);
  EXPECT_EQ(said, "");
  unlink(path.c_str());
}

}  // namespace
}  // namespace backprop
