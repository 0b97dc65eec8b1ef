// SPDX-License-Identifier: Apache-2.0
#include "server/ops/process_stats.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <vector>

namespace backprop {
namespace {

double Now() {
  return std::chrono::duration<double>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer shadows each byte with four and more of its own.
constexpr double kMostResident = 8.0;
#else
constexpr double kMostResident = 2.0;
#endif

TEST(ProcessStatsTest, MemoryGrowsWithWhatIsTouched) {
  const ProcessStats before = ReadProcessStats();
  EXPECT_GT(before.resident_bytes, 1 << 20);
  EXPECT_GT(before.virtual_bytes, before.resident_bytes);
  constexpr size_t kBytes = size_t{64} << 20;
  const std::vector<char> block(kBytes, 1);
  const ProcessStats after = ReadProcessStats();
  EXPECT_GT(after.resident_bytes - before.resident_bytes, 0.9 * kBytes);
  EXPECT_LT(after.resident_bytes - before.resident_bytes,
            kMostResident * kBytes);
}

TEST(ProcessStatsTest, OpenFilesAreCounted) {
  const double before = ReadProcessStats().open_fds;
  const int fd = open("/dev/null", O_RDONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(ReadProcessStats().open_fds, before + 1);
  close(fd);
  EXPECT_EQ(ReadProcessStats().open_fds, before);
  EXPECT_GE(ReadProcessStats().max_fds, before);
}

TEST(ProcessStatsTest, CpuTimeIsWhatTheKernelCharges) {
  const double until = Now() + 0.3;
  while (Now() < until) {
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double expected =
      static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
      static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
          1e6;
  EXPECT_NEAR(ReadProcessStats().cpu_seconds, expected, 0.1);
}

TEST(ProcessStatsTest, TheProcessStartedAMomentAgo) {
  const double age = Now() - ReadProcessStats().start_time_seconds;
  EXPECT_GT(age, -2);
  EXPECT_LT(age, 3600);
}

}  // namespace
}  // namespace backprop
