// SPDX-License-Identifier: Apache-2.0
//
// Every metric that backpropd reports; with its unit and help, and why its
// buckets are what they are, it stands in metrics/, a file for each matter.
// Nothing else includes prometheus.
//
// No label grows with users or sessions: labels are RPC names, status codes and
// the protocol's reasons (ErrorReason).
#ifndef BACKPROP_SERVER_OPS_METRICS_H_
#define BACKPROP_SERVER_OPS_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/ops/metrics/rpc_record.h"

namespace backprop {

// What one turn on the compute pool did.
struct TurnRecord {
  std::span<const float> errors;  // one a step; its size is the step count
  size_t samples = 0;
  double seconds = 0;  // from the turn's first step to its last
};

// An attempt to commit what sessions have done.
struct CommitRecord {
  bool failed = false;
  size_t sessions = 0;
  size_t bytes = 0;
  double seconds = 0;
  size_t store_bytes = 0;  // that the store takes on the disk
};

// With what a server computes, as text for people.
struct ComputeLabels {
  std::string blas;             // "OpenBLAS 0.3.34"
  std::string blas_kernels;     // the type of CPU that its kernels are for
  std::string instruction_set;  // of our own loops
};

// All methods may be called from any thread.
class Metrics {
 public:
  using RpcType = backprop::RpcType;
  using Rpc = RpcRecord;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // What the server is; shown from then on. Called once.
  void DescribeBuild(const ComputeLabels& labels);

  // Training. Called once a turn, not once a step.
  void RecordTurn(const TurnRecord& turn);
  // Seconds that a session's turn waited for a thread.
  void RecordQueueWait(double seconds);
  // Sample bytes that arrived and result bytes (errors, deltas) that left.
  void RecordReceivedBytes(size_t bytes);
  void RecordSentBytes(size_t bytes);
  // change may be negative.
  void AddQueuedBytes(int64_t change);
  void AddTrainStreams(int change);
  void AddWatchStreams(int change);
  // reason: the name of an ErrorReason.
  void RecordRejection(std::string_view reason);

  // Sessions.
  void SessionCreated(size_t weight_count);
  void SessionDeleted(size_t weight_count);
  // The store has so many when the server starts, none of them in memory.
  void SessionsStored(size_t count);
  // Brought into memory. seconds: from its first use until it could begin.
  void SessionLoaded(size_t weight_count, double seconds);
  void SessionLoadFailed();
  // It is in the store alone from here on.
  void SessionEvicted(size_t weight_count);
  // One that was in the store alone.
  void StoredSessionDeleted();
  // One that was deleted, also told by these, had expired.
  void SessionExpired();

  // What all of them hold of answers, every few seconds.
  void SetHeldAnswers(size_t bytes);

  // The store.
  void RecordCommit(const CommitRecord& commit);
  // What it may have to take still, once; and what it has, every few seconds.
  // delay_seconds: for how long the first of it has been late.
  void SetMaxUndurable(size_t bytes);
  void SetUndurable(size_t bytes, double delay_seconds);

  // One RPC, under the names of go-grpc-prometheus. service is the full name,
  // e.g. "backprop.v1.TrainingService".
  // The counters are made at first use (all codes from then on 0), and live as
  // long as *this.
  Rpc& ForRpc(RpcType type, std::string_view service, std::string_view method);

  // The exposition format (text/plain; version=0.0.4), process and build
  // metrics included.
  std::string Serialize() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_H_
