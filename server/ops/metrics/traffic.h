// SPDX-License-Identifier: Apache-2.0
//
// What clients send and get: bytes, streams, refusals.
#ifndef BACKPROP_SERVER_OPS_METRICS_TRAFFIC_H_
#define BACKPROP_SERVER_OPS_METRICS_TRAFFIC_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "server/ops/metrics/catalogue.h"

namespace backprop {

struct TrafficMetrics {
  explicit TrafficMetrics(MetricCatalogue& all);

  // reason: the name of an ErrorReason. One that is none is counted as "other",
  // so that no text from elsewhere becomes a label.
  prometheus::Counter& RejectionsFor(std::string_view reason);

  MetricCatalogue& all;
  prometheus::Counter& received_bytes = all.MakeCounter(
      "backprop_received_bytes_total", "Sample bytes received.");
  prometheus::Counter& sent_bytes = all.MakeCounter(
      "backprop_sent_bytes_total", "Result bytes sent: errors and deltas.");
  prometheus::Gauge& queued_bytes = all.MakeGauge(
      "backprop_queued_bytes", "Request bytes that wait for a turn now.");
  prometheus::Gauge& train_streams =
      all.MakeGauge("backprop_train_streams", "Train streams open now.");
  prometheus::Gauge& watch_streams =
      all.MakeGauge("backprop_watch_streams", "WatchDeltas streams open now.");

  // Constant after construction.
  std::map<std::string, prometheus::Counter*, std::less<>> rejections;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_TRAFFIC_H_
