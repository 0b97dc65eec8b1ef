// SPDX-License-Identifier: Apache-2.0
#include "server/ops/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "backprop/v1/error_reasons.h"
#include "server/ops/error_statistics.h"
#include "server/ops/process_stats.h"
#include "server/threads/mutex.h"

namespace backprop {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;
template <typename T>
using Family = prometheus::Family<T>;

// 1-2-5 steps from 1 µs (a 2-2-1 net) to 1 s (64 Mi weights).
const Buckets kStepBuckets = {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4,
                              2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2,
                              5e-2, 0.1,  0.2,  0.5,  1};
// From 10 µs (an idle pool's hand-over) to 10 s (hopelessly overloaded).
const Buckets kQueueBuckets = {1e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3,
                               5e-3, 1e-2, 2e-2, 5e-2, 0.1,  0.2,
                               0.5,  1,    2,    5,    10};
// From 1 ms (a disk with a cache) to 10 s (one that is dying).
const Buckets kCommitBuckets = {1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1,
                                0.2,  0.5,  1,    2,    5,    10};
// From 1 ms (a small one in the disk's cache) to 10 s (gigabytes).
const Buckets kLoadBuckets = {1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1,
                              0.2,  0.5,  1,    2,    5,    10};
// go-grpc-prometheus's, so that its dashboards and alerts read them; with finer
// ones below, because most unary calls take less than 5 ms here.
const Buckets kRpcBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                             0.1,    0.25,  0.5,    1,     2.5,  5,     10};

// A reason that is none of kErrorReasons is counted as this, so that no text
// from elsewhere becomes a label.
constexpr char kOtherReason[] = "other";

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

const char* TypeName(Metrics::RpcType type) {
  switch (type) {
    case Metrics::RpcType::kUnary:
      return "unary";
    case Metrics::RpcType::kClientStream:
      return "client_stream";
    case Metrics::RpcType::kServerStream:
      return "server_stream";
    case Metrics::RpcType::kBidiStream:
      return "bidi_stream";
  }
  return "unary";
}

// A registry and short ways to fill it. References stay valid as long as it.
struct Catalogue {
  Family<Counter>& Counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& Histograms(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(
        registry);
  }
  Counter& MakeCounter(const char* name, const char* help) {
    return Counters(name, help).Add({});
  }
  Gauge& MakeGauge(const char* name, const char* help,
                   const prometheus::Labels& labels = {}) {
    return prometheus::BuildGauge()
        .Name(name)
        .Help(help)
        .Register(registry)
        .Add(labels);
  }
  Histogram& MakeHistogram(const char* name, const char* help,
                           const Buckets& buckets) {
    return Histograms(name, help).Add({}, buckets);
  }

  prometheus::Registry registry;
};

struct RpcFamilies {
  Family<Counter>& started;
  Family<Counter>& received;
  Family<Counter>& sent;
  Family<Counter>& handled;
  Family<Histogram>& seconds;
};

class RpcCounters final : public Metrics::Rpc {
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
  Counter& started_;
  Counter& received_;
  Counter& sent_;
  Histogram& seconds_;
  std::array<Counter*, kCodeNames.size()> handled_{};
};

prometheus::MetricFamily ProcessFamily(prometheus::MetricType type,
                                       const char* name, const char* help,
                                       double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  metric.gauge.value = value;
  return {.name = name, .help = help, .type = type, .metric = {metric}};
}

// The names of Prometheus' own clients.
void AppendProcess(std::vector<prometheus::MetricFamily>* families) {
  using enum prometheus::MetricType;
  const ProcessStats stats = ReadProcessStats();
  for (auto& family :
       {ProcessFamily(Counter, "process_cpu_seconds_total",
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
                      stats.start_time_seconds)}) {
    families->push_back(family);
  }
}

std::string CompilerName() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace

struct Metrics::State {
  void EnterMemory(size_t weight_count) {
    resident_sessions.Increment();
    session_weights.Increment(static_cast<double>(weight_count));
  }
  void LeaveMemory(size_t weight_count) {
    resident_sessions.Decrement();
    session_weights.Decrement(static_cast<double>(weight_count));
  }

  Catalogue all;

  Counter& steps = all.MakeCounter("backprop_steps_total", "Steps trained.");
  Counter& samples =
      all.MakeCounter("backprop_samples_total", "Samples trained.");
  Histogram& step_error =
      all.MakeHistogram("backprop_step_error",
                        "Error of each step, before its update; one below 0, "
                        "as poisson's may be, "
                        "counts as 0.",
                        Buckets(kErrorBounds.begin(), kErrorBounds.end()));
  Gauge& error_average = all.MakeGauge(
      "backprop_step_error_average",
      "Exponential average of the steps' errors over about 1000 steps of all "
      "sessions; NaN before the first.");
  Histogram& step_seconds = all.MakeHistogram(
      "backprop_step_duration_seconds",
      "Seconds a step, each turn's mean counted for each of its steps.",
      kStepBuckets);
  Histogram& queue_seconds = all.MakeHistogram(
      "backprop_queue_wait_seconds",
      "Seconds that a session's turn waited for a thread.", kQueueBuckets);
  Counter& received_bytes = all.MakeCounter("backprop_received_bytes_total",
                                            "Sample bytes received.");
  Counter& sent_bytes = all.MakeCounter(
      "backprop_sent_bytes_total", "Result bytes sent: errors and deltas.");
  Gauge& sessions =
      all.MakeGauge("backprop_sessions",
                    "Sessions there are now, in memory or in the store alone.");
  Gauge& resident_sessions =
      all.MakeGauge("backprop_resident_sessions", "Sessions in memory now.");
  Counter& sessions_created =
      all.MakeCounter("backprop_sessions_created_total", "Sessions created.");
  Counter& sessions_deleted =
      all.MakeCounter("backprop_sessions_deleted_total", "Sessions deleted.");
  Counter& sessions_expired = all.MakeCounter(
      "backprop_sessions_expired_total",
      "Sessions deleted because nobody used them for their expire_after.");
  Gauge& session_weights = all.MakeGauge(
      "backprop_session_weights", "Weights held now by sessions in memory.");
  Histogram& load_seconds =
      all.MakeHistogram("backprop_session_load_duration_seconds",
                        "Seconds from the first use of a session that was in "
                        "the store alone until "
                        "it could begin.",
                        kLoadBuckets);
  Counter& load_failures = all.MakeCounter(
      "backprop_session_load_failures_total",
      "Sessions that could not be brought back from the store; the log says "
      "why.");
  Counter& evictions = all.MakeCounter(
      "backprop_session_evictions_total",
      "Sessions that left memory, idle for long or where others needed room.");
  Gauge& train_streams =
      all.MakeGauge("backprop_train_streams", "Train streams open now.");
  Gauge& watch_streams =
      all.MakeGauge("backprop_watch_streams", "WatchDeltas streams open now.");
  Gauge& queued_bytes = all.MakeGauge(
      "backprop_queued_bytes", "Request bytes that wait for a turn now.");
  Histogram& commit_seconds = all.MakeHistogram(
      "backprop_commit_duration_seconds",
      "Seconds that a commit of what sessions have done took, failed ones "
      "included.",
      kCommitBuckets);
  Counter& commit_failures = all.MakeCounter(
      "backprop_commit_failures_total",
      "Commits that failed: what is durable stands still until one works.");
  Counter& committed_sessions =
      all.MakeCounter("backprop_committed_sessions_total",
                      "Changes of sessions that were committed.");
  Counter& committed_bytes =
      all.MakeCounter("backprop_committed_bytes_total",
                      "Bytes of what was committed, as the sessions gave it.");
  Gauge& store_bytes = all.MakeGauge("backprop_store_bytes",
                                     "Bytes that the store takes on the disk.");
  Gauge& undurable_bytes = all.MakeGauge(
      "backprop_undurable_bytes",
      "Bytes of what sessions have done that the store has still to take.");
  Gauge& max_undurable_bytes = all.MakeGauge(
      "backprop_max_undurable_bytes",
      "At so many (--max-undurable-bytes) durable sessions train no more while "
      "the store fails; 0: there is no store.");
  Gauge& durable_delay_seconds = all.MakeGauge(
      "backprop_durable_delay_seconds",
      "Seconds since what sessions have done should have been durable, by "
      "their max_lag, and is not; 0: nothing is late.");
  RpcFamilies rpc_families{
      all.Counters("grpc_server_started_total", "RPCs started."),
      all.Counters("grpc_server_msg_received_total",
                   "Messages received from clients."),
      all.Counters("grpc_server_msg_sent_total", "Messages sent to clients."),
      all.Counters("grpc_server_handled_total",
                   "RPCs completed, whatever their status."),
      all.Histograms("grpc_server_handling_seconds",
                     "Seconds from an RPC's start to its end.")};
  std::map<std::string, Counter*, std::less<>> rejections;  // constant

  Mutex mutex;
  ErrorAverage average ABSL_GUARDED_BY(mutex);
  std::map<std::tuple<RpcType, std::string, std::string>, RpcCounters> rpcs
      ABSL_GUARDED_BY(mutex);
};

Metrics::Metrics() : state_(std::make_unique<State>()) {
  state_->error_average.Set(std::numeric_limits<double>::quiet_NaN());
  auto& rejections = state_->all.Counters(
      "backprop_rejections_total",
      "Requests refused, by the reason that the client was told.");
  const auto count = [&](const std::string& reason) {
    state_->rejections[reason] = &rejections.Add({{"reason", reason}});
  };
  for (const ErrorReason& reason : kErrorReasons) {
    count(std::string(reason.name));
  }
  count(kOtherReason);
}

Metrics::~Metrics() = default;

void Metrics::DescribeBuild(const ComputeLabels& labels) {
  state_->all
      .MakeGauge("backprop_build_info", "Always 1; what this server is.",
                 {{"version", BACKPROP_VERSION},
                  {"grpc", BACKPROP_GRPC_VERSION},
                  {"compiler", CompilerName()},
                  {"blas", labels.blas},
                  {"blas_kernels", labels.blas_kernels},
                  {"instruction_set", labels.instruction_set}})
      .Set(1);
}

void Metrics::RecordTurn(const TurnRecord& turn) {
  if (turn.errors.empty()) return;
  const ErrorStatistics errors = Summarise(turn.errors);
  const auto steps = static_cast<double>(turn.errors.size());
  state_->steps.Increment(steps);
  state_->samples.Increment(static_cast<double>(turn.samples));
  state_->step_error.ObserveMultiple(
      {errors.buckets.begin(), errors.buckets.end()}, errors.sum);

  std::vector<double> step_buckets(kStepBuckets.size() + 1);
  const auto bucket = std::lower_bound(kStepBuckets.begin(), kStepBuckets.end(),
                                       turn.seconds / steps);
  step_buckets[bucket - kStepBuckets.begin()] = steps;
  state_->step_seconds.ObserveMultiple(step_buckets, turn.seconds);

  // Set under the lock, so that an older average can't overwrite a newer one.
  MutexLock lock(state_->mutex);
  state_->error_average.Set(state_->average.Add(errors));
}

void Metrics::RecordQueueWait(double seconds) {
  state_->queue_seconds.Observe(seconds);
}

void Metrics::RecordReceivedBytes(size_t bytes) {
  state_->received_bytes.Increment(static_cast<double>(bytes));
}

void Metrics::RecordSentBytes(size_t bytes) {
  state_->sent_bytes.Increment(static_cast<double>(bytes));
}

void Metrics::AddQueuedBytes(int64_t change) {
  state_->queued_bytes.Increment(static_cast<double>(change));
}

void Metrics::AddWatchStreams(int change) {
  state_->watch_streams.Increment(change);
}

void Metrics::AddTrainStreams(int change) {
  state_->train_streams.Increment(change);
}

void Metrics::RecordRejection(std::string_view reason) {
  auto found = state_->rejections.find(reason);
  if (found == state_->rejections.end()) {
    found = state_->rejections.find(kOtherReason);
  }
  found->second->Increment();
}

void Metrics::SessionCreated(size_t weight_count) {
  state_->sessions.Increment();
  state_->sessions_created.Increment();
  state_->EnterMemory(weight_count);
}

void Metrics::SessionsStored(size_t count) {
  state_->sessions.Increment(static_cast<double>(count));
}

void Metrics::SessionLoaded(size_t weight_count, double seconds) {
  state_->EnterMemory(weight_count);
  state_->load_seconds.Observe(seconds);
}

void Metrics::SessionLoadFailed() { state_->load_failures.Increment(); }

void Metrics::SessionEvicted(size_t weight_count) {
  state_->LeaveMemory(weight_count);
  state_->evictions.Increment();
}

void Metrics::SessionDeleted(size_t weight_count) {
  state_->LeaveMemory(weight_count);
  StoredSessionDeleted();
}

void Metrics::StoredSessionDeleted() {
  state_->sessions.Decrement();
  state_->sessions_deleted.Increment();
}

void Metrics::SessionExpired() { state_->sessions_expired.Increment(); }

void Metrics::RecordCommit(const CommitRecord& commit) {
  state_->commit_seconds.Observe(commit.seconds);
  state_->store_bytes.Set(static_cast<double>(commit.store_bytes));
  if (commit.failed) return state_->commit_failures.Increment();
  state_->committed_sessions.Increment(static_cast<double>(commit.sessions));
  state_->committed_bytes.Increment(static_cast<double>(commit.bytes));
}

void Metrics::SetMaxUndurable(size_t bytes) {
  state_->max_undurable_bytes.Set(static_cast<double>(bytes));
}

void Metrics::SetUndurable(size_t bytes, double delay_seconds) {
  state_->undurable_bytes.Set(static_cast<double>(bytes));
  state_->durable_delay_seconds.Set(delay_seconds);
}

Metrics::Rpc& Metrics::ForRpc(RpcType type, std::string_view service,
                              std::string_view method) {
  const std::tuple key(type, std::string(service), std::string(method));
  MutexLock lock(state_->mutex);
  const auto found = state_->rpcs.find(key);
  if (found != state_->rpcs.end()) return found->second;
  const prometheus::Labels labels = {{"grpc_type", TypeName(type)},
                                     {"grpc_service", std::get<1>(key)},
                                     {"grpc_method", std::get<2>(key)}};
  return state_->rpcs
      .emplace(std::piecewise_construct, std::forward_as_tuple(key),
               std::forward_as_tuple(state_->rpc_families, labels))
      .first->second;
}

std::string Metrics::Serialize() const {
  std::vector<prometheus::MetricFamily> families =
      state_->all.registry.Collect();
  AppendProcess(&families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace backprop
