// SPDX-License-Identifier: Apache-2.0
#include "server/ops/metrics/rpcs.h"

#include <prometheus/labels.h>

#include <array>
#include <cstddef>
#include <utility>

namespace backprop {
namespace {

// go-grpc-prometheus's, so that its dashboards and alerts read them; with finer
// ones below, because most unary calls take less than 5 ms here.
const prometheus::Histogram::BucketBoundaries kRpcBuckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1,    0.25,  0.5,    1,     2.5,  5,     10};

// gRPC's codes 0 to 16, as Go names them.
constexpr std::array kCodeNames = {"OK",
                                   "Canceled",
                                   "Unknown",
                                   "InvalidArgument",
                                   "DeadlineExceeded",
                                   "NotFound",
                                   "AlreadyExists",
                                   "PermissionDenied",
                                   "ResourceExhausted",
                                   "FailedPrecondition",
                                   "Aborted",
                                   "OutOfRange",
                                   "Unimplemented",
                                   "Internal",
                                   "Unavailable",
                                   "DataLoss",
                                   "Unauthenticated"};
constexpr size_t kUnknownCode = 2;

const char* TypeName(RpcType type) {
  switch (type) {
    case RpcType::kUnary:
      return "unary";
    case RpcType::kClientStream:
      return "client_stream";
    case RpcType::kServerStream:
      return "server_stream";
    case RpcType::kBidiStream:
      return "bidi_stream";
  }
  return "unary";
}

class RpcCounters final : public RpcRecord {
 public:
  RpcCounters(const RpcFamilies& families, const prometheus::Labels& labels)
      : started_(families.started.Add(labels)),
        received_(families.received.Add(labels)),
        sent_(families.sent.Add(labels)),
        seconds_(families.seconds.Add(labels, kRpcBuckets)) {
    for (size_t code = 0; code < kCodeNames.size(); ++code) {
      prometheus::Labels with_code = labels;
      with_code["grpc_code"] = kCodeNames[code];
      handled_[code] = &families.handled.Add(with_code);
    }
  }

  void Started() override { started_.Increment(); }
  void MessageReceived() override { received_.Increment(); }
  void MessageSent() override { sent_.Increment(); }
  void Handled(int code, double seconds) override {
    const auto index = static_cast<size_t>(code);
    handled_[index < handled_.size() ? index : kUnknownCode]->Increment();
    seconds_.Observe(seconds);
  }

 private:
  prometheus::Counter& started_;
  prometheus::Counter& received_;
  prometheus::Counter& sent_;
  prometheus::Histogram& seconds_;
  std::array<prometheus::Counter*, kCodeNames.size()> handled_{};
};

}  // namespace

RpcFamilies::RpcFamilies(MetricCatalogue& all)
    : started(all.Counters("grpc_server_started_total", "RPCs started.")),
      received(all.Counters("grpc_server_msg_received_total",
                            "Messages received from clients.")),
      sent(all.Counters("grpc_server_msg_sent_total",
                        "Messages sent to clients.")),
      handled(all.Counters("grpc_server_handled_total",
                           "RPCs completed, whatever their status.")),
      seconds(all.Histograms("grpc_server_handling_seconds",
                             "Seconds from an RPC's start to its end.")) {}

RpcRecord& RpcMetrics::For(RpcType type, std::string_view service,
                           std::string_view method) {
  std::tuple key(type, std::string(service), std::string(method));
  MutexLock lock(mutex_);
  std::unique_ptr<RpcRecord>& found = methods_[key];
  if (found == nullptr) {
    found = std::make_unique<RpcCounters>(
        families_, prometheus::Labels{{"grpc_type", TypeName(type)},
                                      {"grpc_service", std::get<1>(key)},
                                      {"grpc_method", std::get<2>(key)}});
  }
  return *found;
}

}  // namespace backprop
