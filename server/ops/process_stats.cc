// SPDX-License-Identifier: Apache-2.0
#include "server/ops/process_stats.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace backprop {
namespace {

// Seconds since 1970 at which the machine was started.
double BootTime() {
  std::ifstream stat("/proc/stat");
  std::string key;
  double seconds = 0;
  while (stat >> key) {
    if (key == "btime" && stat >> seconds) return seconds;
    std::getline(stat, key);
  }
  return 0;
}

void ReadStat(ProcessStats* stats) {
  std::ifstream file("/proc/self/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  // The second field is the program's name in brackets and may hold anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream fields(text.substr(name_end + 1));
  constexpr int kStartTicks = 22;
  constexpr int kVirtualBytes = 23;
  constexpr int kResidentPages = 24;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  std::string field;
  for (int number = 3; number <= kResidentPages && fields >> field; ++number) {
    if (number < kStartTicks) continue;
    const double value = std::strtod(field.c_str(), nullptr);
    if (number == kStartTicks) {
      stats->start_time_seconds = BootTime() + value / ticks;
    } else if (number == kVirtualBytes) {
      stats->virtual_bytes = value;
    } else if (number == kResidentPages) {
      stats->resident_bytes = value * static_cast<double>(getpagesize());
    }
  }
}

// Finer than the ticks of /proc/self/stat, in which a young process has none.
double CpuSeconds() {
  timespec spent{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) != 0) return 0;
  return static_cast<double>(spent.tv_sec) +
         static_cast<double>(spent.tv_nsec) * 1e-9;
}

double CountOpenFds() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator fd("/proc/self/fd", error), end;
       !error && fd != end; fd.increment(error)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // without the one that reads the folder
}

}  // namespace

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  ReadStat(&stats);
  stats.cpu_seconds = CpuSeconds();
  stats.open_fds = CountOpenFds();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    stats.max_fds = static_cast<double>(limit.rlim_cur);
  }
  return stats;
}

}  // namespace backprop
