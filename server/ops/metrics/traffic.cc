// SPDX-License-Identifier: Apache-2.0
#include "server/ops/metrics/traffic.h"

#include "backprop/v1/error_reasons.h"

namespace backprop {
namespace {

constexpr char kOtherReason[] = "other";

}  // namespace

TrafficMetrics::TrafficMetrics(MetricCatalogue& catalogue) : all(catalogue) {
  auto& family =
      all.Counters("backprop_rejections_total",
                   "Requests refused, by the reason that the client was told.");
  const auto count = [&](const std::string& reason) {
    rejections[reason] = &family.Add({{"reason", reason}});
  };
  for (const ErrorReason& reason : kErrorReasons) {
    count(std::string(reason.name));
  }
  count(kOtherReason);
}

prometheus::Counter& TrafficMetrics::RejectionsFor(std::string_view reason) {
  auto found = rejections.find(reason);
  if (found == rejections.end()) found = rejections.find(kOtherReason);
  return *found->second;
}

}  // namespace backprop
