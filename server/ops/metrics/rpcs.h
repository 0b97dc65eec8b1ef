// SPDX-License-Identifier: Apache-2.0
//
// RPCs by method, under the names of go-grpc-prometheus.
#ifndef BACKPROP_SERVER_OPS_METRICS_RPCS_H_
#define BACKPROP_SERVER_OPS_METRICS_RPCS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "server/ops/metrics/catalogue.h"
#include "server/ops/metrics/rpc_record.h"
#include "server/threads/mutex.h"

namespace backprop {

struct RpcFamilies {
  explicit RpcFamilies(MetricCatalogue& all);

  prometheus::Family<prometheus::Counter>& started;
  prometheus::Family<prometheus::Counter>& received;
  prometheus::Family<prometheus::Counter>& sent;
  prometheus::Family<prometheus::Counter>& handled;
  prometheus::Family<prometheus::Histogram>& seconds;
};

class RpcMetrics {
 public:
  explicit RpcMetrics(MetricCatalogue& all) : families_(all) {}

  // Lives as long as *this.
  RpcRecord& For(RpcType type, std::string_view service,
                 std::string_view method);

 private:
  const RpcFamilies families_;

  Mutex mutex_;
  std::map<std::tuple<RpcType, std::string, std::string>,
           std::unique_ptr<RpcRecord>>
      methods_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_RPCS_H_
