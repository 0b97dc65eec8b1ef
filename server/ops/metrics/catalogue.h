// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OPS_METRICS_CATALOGUE_H_
#define BACKPROP_SERVER_OPS_METRICS_CATALOGUE_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/labels.h>
#include <prometheus/registry.h>

namespace backprop {

// A registry and short ways to fill it. References stay valid as long as it.
struct MetricCatalogue {
  prometheus::Family<prometheus::Counter>& Counters(const char* name,
                                                    const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  prometheus::Family<prometheus::Histogram>& Histograms(const char* name,
                                                        const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(
        registry);
  }
  prometheus::Counter& MakeCounter(const char* name, const char* help) {
    return Counters(name, help).Add({});
  }
  prometheus::Gauge& MakeGauge(const char* name, const char* help,
                               const prometheus::Labels& labels = {}) {
    return prometheus::BuildGauge()
        .Name(name)
        .Help(help)
        .Register(registry)
        .Add(labels);
  }
  prometheus::Histogram& MakeHistogram(
      const char* name, const char* help,
      const prometheus::Histogram::BucketBoundaries& buckets) {
    return Histograms(name, help).Add({}, buckets);
  }

  prometheus::Registry registry;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_CATALOGUE_H_
