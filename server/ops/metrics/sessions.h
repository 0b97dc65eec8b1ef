// SPDX-License-Identifier: Apache-2.0
//
// How sessions come and go, in memory and at all.
#ifndef BACKPROP_SERVER_OPS_METRICS_SESSIONS_H_
#define BACKPROP_SERVER_OPS_METRICS_SESSIONS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <cstddef>

#include "server/ops/metrics/catalogue.h"

namespace backprop {

// From 1 ms (a small one in the disk's cache) to 10 s (gigabytes).
inline const prometheus::Histogram::BucketBoundaries kLoadBuckets = {
    1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10};

struct SessionMetrics {
  void EnterMemory(size_t weight_count) {
    resident.Increment();
    weights.Increment(static_cast<double>(weight_count));
  }
  void LeaveMemory(size_t weight_count) {
    resident.Decrement();
    weights.Decrement(static_cast<double>(weight_count));
  }

  MetricCatalogue& all;

  prometheus::Gauge& count =
      all.MakeGauge("backprop_sessions",
                    "Sessions there are now, in memory or in the store alone.");
  prometheus::Gauge& resident =
      all.MakeGauge("backprop_resident_sessions", "Sessions in memory now.");
  prometheus::Counter& created =
      all.MakeCounter("backprop_sessions_created_total", "Sessions created.");
  prometheus::Counter& deleted =
      all.MakeCounter("backprop_sessions_deleted_total", "Sessions deleted.");
  prometheus::Counter& expired = all.MakeCounter(
      "backprop_sessions_expired_total",
      "Sessions deleted because nobody used them for their expire_after.");
  prometheus::Gauge& weights = all.MakeGauge(
      "backprop_session_weights", "Weights held now by sessions in memory.");
  prometheus::Gauge& held_answer_bytes = all.MakeGauge(
      "backprop_held_answer_bytes",
      "Bytes of answers that sessions hold now for clients that may not have "
      "got them.");
  prometheus::Histogram& load_seconds =
      all.MakeHistogram("backprop_session_load_duration_seconds",
                        "Seconds from the first use of a session that was in "
                        "the store alone until it could begin.",
                        kLoadBuckets);
  prometheus::Counter& load_failures = all.MakeCounter(
      "backprop_session_load_failures_total",
      "Sessions that could not be brought back from the store; the log says "
      "why.");
  prometheus::Counter& evictions = all.MakeCounter(
      "backprop_session_evictions_total",
      "Sessions that left memory, idle for long or where others needed room.");
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_SESSIONS_H_
