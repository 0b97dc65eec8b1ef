// SPDX-License-Identifier: Apache-2.0
//
// What turns do: steps, their errors, and how long they take and wait.
#ifndef BACKPROP_SERVER_OPS_METRICS_TRAINING_H_
#define BACKPROP_SERVER_OPS_METRICS_TRAINING_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include "absl/base/thread_annotations.h"
#include "server/ops/error_statistics.h"
#include "server/ops/metrics/catalogue.h"
#include "server/threads/mutex.h"

namespace backprop {

// 1-2-5 steps from 1 µs (a 2-2-1 net) to 1 s (64 Mi weights).
inline const prometheus::Histogram::BucketBoundaries kStepBuckets = {
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3,
    2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1,  0.2,  0.5,  1};
// From 10 µs (an idle pool's hand-over) to 10 s (hopelessly overloaded).
inline const prometheus::Histogram::BucketBoundaries kQueueBuckets = {
    1e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2,
    5e-2, 0.1,  0.2,  0.5,  1,    2,    5,    10};

struct TrainingMetrics {
  MetricCatalogue& all;

  prometheus::Counter& steps =
      all.MakeCounter("backprop_steps_total", "Steps trained.");
  prometheus::Counter& samples =
      all.MakeCounter("backprop_samples_total", "Samples trained.");
  prometheus::Histogram& step_error =
      all.MakeHistogram("backprop_step_error",
                        "Error of each step, before its update; one below 0, "
                        "as poisson's may be, counts as 0.",
                        {kErrorBounds.begin(), kErrorBounds.end()});
  prometheus::Gauge& error_average = all.MakeGauge(
      "backprop_step_error_average",
      "Exponential average of the steps' errors over about 1000 steps of all "
      "sessions; NaN before the first.");
  prometheus::Histogram& step_seconds = all.MakeHistogram(
      "backprop_step_duration_seconds",
      "Seconds a step, each turn's mean counted for each of its steps.",
      kStepBuckets);
  prometheus::Histogram& queue_seconds = all.MakeHistogram(
      "backprop_queue_wait_seconds",
      "Seconds that a session's turn waited for a thread.", kQueueBuckets);

  Mutex mutex = {};
  ErrorAverage average ABSL_GUARDED_BY(mutex) = {};
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_TRAINING_H_
