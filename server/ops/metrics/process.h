// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OPS_METRICS_PROCESS_H_
#define BACKPROP_SERVER_OPS_METRICS_PROCESS_H_

#include <prometheus/metric_family.h>

#include <vector>

namespace backprop {

// What is known of the process now, under the names of Prometheus' own clients.
std::vector<prometheus::MetricFamily> ProcessFamilies();

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_PROCESS_H_
