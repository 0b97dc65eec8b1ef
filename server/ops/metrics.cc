// SPDX-License-Identifier: Apache-2.0
#include "server/ops/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "server/ops/error_statistics.h"
#include "server/ops/metrics/catalogue.h"
#include "server/ops/metrics/process.h"
#include "server/ops/metrics/rpcs.h"
#include "server/ops/metrics/sessions.h"
#include "server/ops/metrics/store.h"
#include "server/ops/metrics/traffic.h"
#include "server/ops/metrics/training.h"
#include "server/threads/mutex.h"

namespace backprop {
namespace {

std::string CompilerName() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace

struct Metrics::State {
  MetricCatalogue all;

  TrainingMetrics training{all};
  SessionMetrics sessions{all};
  TrafficMetrics traffic{all};
  StoreMetrics store{all};
  RpcMetrics rpcs{all};
};

Metrics::Metrics() : state_(std::make_unique<State>()) {
  state_->training.error_average.Set(std::numeric_limits<double>::quiet_NaN());
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
  TrainingMetrics& training = state_->training;
  const ErrorStatistics errors = Summarise(turn.errors);
  const auto steps = static_cast<double>(turn.errors.size());
  training.steps.Increment(steps);
  training.samples.Increment(static_cast<double>(turn.samples));
  training.step_error.ObserveMultiple(
      {errors.buckets.begin(), errors.buckets.end()}, errors.sum);

  std::vector<double> step_buckets(kStepBuckets.size() + 1);
  const auto bucket = std::lower_bound(kStepBuckets.begin(), kStepBuckets.end(),
                                       turn.seconds / steps);
  step_buckets[bucket - kStepBuckets.begin()] = steps;
  training.step_seconds.ObserveMultiple(step_buckets, turn.seconds);

  // Set under the lock, so that an older average can't overwrite a newer one.
  MutexLock lock(training.mutex);
  training.error_average.Set(training.average.Add(errors));
}

void Metrics::RecordQueueWait(double seconds) {
  state_->training.queue_seconds.Observe(seconds);
}

void Metrics::RecordReceivedBytes(size_t bytes) {
  state_->traffic.received_bytes.Increment(static_cast<double>(bytes));
}

void Metrics::RecordSentBytes(size_t bytes) {
  state_->traffic.sent_bytes.Increment(static_cast<double>(bytes));
}

void Metrics::AddQueuedBytes(int64_t change) {
  state_->traffic.queued_bytes.Increment(static_cast<double>(change));
}

void Metrics::AddWatchStreams(int change) {
  state_->traffic.watch_streams.Increment(change);
}

void Metrics::AddTrainStreams(int change) {
  state_->traffic.train_streams.Increment(change);
}

void Metrics::RecordRejection(std::string_view reason) {
  state_->traffic.RejectionsFor(reason).Increment();
}

void Metrics::SessionCreated(size_t weight_count) {
  state_->sessions.count.Increment();
  state_->sessions.created.Increment();
  state_->sessions.EnterMemory(weight_count);
}

void Metrics::SessionsStored(size_t count) {
  state_->sessions.count.Increment(static_cast<double>(count));
}

void Metrics::SessionLoaded(size_t weight_count, double seconds) {
  state_->sessions.EnterMemory(weight_count);
  state_->sessions.load_seconds.Observe(seconds);
}

void Metrics::SessionLoadFailed() {
  state_->sessions.load_failures.Increment();
}

void Metrics::SessionEvicted(size_t weight_count) {
  state_->sessions.LeaveMemory(weight_count);
  state_->sessions.evictions.Increment();
}

void Metrics::SessionDeleted(size_t weight_count) {
  state_->sessions.LeaveMemory(weight_count);
  StoredSessionDeleted();
}

void Metrics::StoredSessionDeleted() {
  state_->sessions.count.Decrement();
  state_->sessions.deleted.Increment();
}

void Metrics::SessionExpired() { state_->sessions.expired.Increment(); }

void Metrics::SetHeldAnswers(size_t bytes) {
  state_->sessions.held_answer_bytes.Set(static_cast<double>(bytes));
}

void Metrics::RecordCommit(const CommitRecord& commit) {
  state_->store.commit_seconds.Observe(commit.seconds);
  state_->store.store_bytes.Set(static_cast<double>(commit.store_bytes));
  if (commit.failed) return state_->store.commit_failures.Increment();
  state_->store.committed_sessions.Increment(
      static_cast<double>(commit.sessions));
  state_->store.committed_bytes.Increment(static_cast<double>(commit.bytes));
}

void Metrics::SetMaxUndurable(size_t bytes) {
  state_->store.max_undurable_bytes.Set(static_cast<double>(bytes));
}

void Metrics::SetUndurable(size_t bytes, double delay_seconds) {
  state_->store.undurable_bytes.Set(static_cast<double>(bytes));
  state_->store.durable_delay_seconds.Set(delay_seconds);
}

Metrics::Rpc& Metrics::ForRpc(RpcType type, std::string_view service,
                              std::string_view method) {
  return state_->rpcs.For(type, service, method);
}

std::string Metrics::Serialize() const {
  auto families = state_->all.registry.Collect();
  const auto process = ProcessFamilies();
  families.insert(families.end(), process.begin(), process.end());
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace backprop
