// SPDX-License-Identifier: Apache-2.0
//
// What the store takes, and what it has still to take.
#ifndef BACKPROP_SERVER_OPS_METRICS_STORE_H_
#define BACKPROP_SERVER_OPS_METRICS_STORE_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include "server/ops/metrics/catalogue.h"

namespace backprop {

// From 1 ms (a disk with a cache) to 10 s (one that is dying).
inline const prometheus::Histogram::BucketBoundaries kCommitBuckets = {
    1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10};

struct StoreMetrics {
  MetricCatalogue& all;

  prometheus::Histogram& commit_seconds = all.MakeHistogram(
      "backprop_commit_duration_seconds",
      "Seconds that a commit of what sessions have done took, failed ones "
      "included.",
      kCommitBuckets);
  prometheus::Counter& commit_failures = all.MakeCounter(
      "backprop_commit_failures_total",
      "Commits that failed: what is durable stands still until one works.");
  prometheus::Counter& committed_sessions =
      all.MakeCounter("backprop_committed_sessions_total",
                      "Changes of sessions that were committed.");
  prometheus::Counter& committed_bytes =
      all.MakeCounter("backprop_committed_bytes_total",
                      "Bytes of what was committed, as the sessions gave it.");
  prometheus::Gauge& store_bytes = all.MakeGauge(
      "backprop_store_bytes", "Bytes that the store takes on the disk.");
  prometheus::Gauge& undurable_bytes = all.MakeGauge(
      "backprop_undurable_bytes",
      "Bytes of what sessions have done that the store has still to take.");
  prometheus::Gauge& max_undurable_bytes = all.MakeGauge(
      "backprop_max_undurable_bytes",
      "At so many (--max-undurable-bytes) durable sessions train no more while "
      "the store fails; 0: there is no store.");
  prometheus::Gauge& durable_delay_seconds = all.MakeGauge(
      "backprop_durable_delay_seconds",
      "Seconds since what sessions have done should have been durable, by "
      "their max_lag, and is not; 0: nothing is late.");
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_STORE_H_
