// SPDX-License-Identifier: Apache-2.0
//
// What an operator can set. Every field is a flag and an environment variable
// of the same name: max_sessions is --max-sessions and BACKPROPD_MAX_SESSIONS.
#ifndef BACKPROP_SERVER_OPTIONS_OPTIONS_H_
#define BACKPROP_SERVER_OPTIONS_OPTIONS_H_

#include <cstddef>
#include <string>

namespace backprop {

struct ServerOptions {
  // Where gRPC listens, host:port. Port 0 takes a free one. Loopback by
  // default: there is no authentication or encryption of its own.
  std::string grpc_address = "127.0.0.1:50051";

  // Where /metrics, /healthz and /readyz are served, host:port.
  std::string http_address = "127.0.0.1:9464";

  // Sessions in memory at once. One costs its weights and optimiser state (4
  // bytes a number) and about 2 KiB.
  size_t max_sessions = 10'000;

  // Weights of one session, without optimiser state; 64 Mi weights are 256 MiB.
  size_t max_session_weights = size_t{64} << 20;

  // Numbers of all sessions in memory together: weights, optimiser state (as
  // many again for each state vector, of which momentum has one and Adam two)
  // and input standardisation; 1 Gi numbers are 4 GiB. The copies that
  // GetWeights and WatchDeltas send may take as many again.
  size_t max_total_weights = size_t{1} << 30;

  // Largest request message, in bytes. Bounds the anchors that sessions are put
  // back from (4 bytes a weight and number of optimiser state) too, and
  // what Predict answers. The requests of all pending calls together may hold
  // 16 times as much.
  size_t max_message_bytes = size_t{16} << 20;

  // Bytes of requests that may wait in one Train stream before the server
  // stops reading from it. Larger: fewer stalls behind slow turns, more memory
  // a stream.
  size_t max_queued_bytes = size_t{1} << 20;

  // Bytes of recent deltas held in memory for each session that is watched (the
  // newest message's at least): how far a watcher may fall behind before it has
  // to go on from an anchor.
  size_t max_watched_bytes = size_t{4} << 20;

  // Bytes of answers held in memory for each session whose writer asks for it,
  // until it says that it has them: how many it may get again whose connection
  // broke. All sessions together may have 64 times that. 0: none.
  size_t max_held_bytes = size_t{4} << 20;

  // Unary calls (and evaluation messages) that may wait for a thread at once;
  // further ones are refused with QUEUE_LIMIT.
  size_t max_pending_calls = 4096;

  // Where sessions are kept, so that they survive the process: a directory that
  // this server alone uses, made where it is missing. Empty: nowhere, sessions
  // are in memory only.
  std::string data_dir;

  // How often what sessions have done is written there, in milliseconds; sooner
  // where somebody waits for it.
  size_t commit_interval_ms = 20;

  // Bytes of what all sessions together have done that may wait to be written
  // there, as rows of steps and as images. When the disk fails, or has not
  // written within 10 s and a second for each 16 MiB, training goes on up to
  // that and then waits for it; a session has at most about twice its image and
  // its checkpoints' there, with history 64 MiB of rows besides. While the disk
  // works it bounds what is written at once.
  size_t max_undurable_bytes = size_t{1} << 30;

  // Bytes of a session's past there (SessionSpec.history), at most, where its
  // spec sets no limit of its own; it may set none beyond.
  size_t max_history_bytes = size_t{256} << 30;

  // How long a session that is kept there may stand idle before it leaves
  // memory, until it is used again, in seconds. 0: for ever, unless others need
  // its room.
  size_t evict_after_seconds = 600;

  // Threads that train; 0 means one for each core.
  size_t compute_threads = 0;

  // After SIGTERM, how long to go on serving while reporting "not ready", so
  // that load balancers turn away. Seconds.
  size_t drain_seconds = 0;

  // trace, debug, info, warning, error or off.
  std::string log_level = "info";
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPTIONS_OPTIONS_H_
