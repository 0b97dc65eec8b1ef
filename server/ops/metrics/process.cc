// SPDX-License-Identifier: Apache-2.0
#include "server/ops/metrics/process.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_type.h>

#include "server/ops/log.h"
#include "server/ops/process_stats.h"

namespace backprop {
namespace {

prometheus::MetricFamily ProcessFamily(prometheus::MetricType type,
                                       const char* name, const char* help,
                                       double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  metric.gauge.value = value;
  return {.name = name, .help = help, .type = type, .metric = {metric}};
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessFamilies() {
  using enum prometheus::MetricType;
  const ProcessStats stats = ReadProcessStats();
  return {
      ProcessFamily(Counter, "process_cpu_seconds_total",
                    "User and system CPU time spent, in seconds.",
                    stats.cpu_seconds),
      ProcessFamily(Gauge, "process_resident_memory_bytes",
                    "Resident memory, in bytes.", stats.resident_bytes),
      ProcessFamily(Gauge, "process_virtual_memory_bytes",
                    "Virtual memory, in bytes.", stats.virtual_bytes),
      ProcessFamily(Gauge, "process_open_fds", "Open file descriptors.",
                    stats.open_fds),
      ProcessFamily(Gauge, "process_max_fds",
                    "Most file descriptors that may be open.", stats.max_fds),
      ProcessFamily(Gauge, "process_start_time_seconds",
                    "When the process started, in seconds since 1970.",
                    stats.start_time_seconds),
      ProcessFamily(Counter, "backprop_log_lines_dropped_total",
                    "Log lines that were not written, as nothing read "
                    "standard error for too long.",
                    static_cast<double>(LogLinesDropped()))};
}

}  // namespace backprop
