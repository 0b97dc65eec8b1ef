// SPDX-License-Identifier: Apache-2.0
//
// Where a server with a data directory keeps its sessions: the directory, the
// store in it and the thread that commits to it.
//
// A part of server.*, and beside it: what it joins, the store and the sessions
// with what an operator sees of them, are rooms that do not know each other.
#ifndef BACKPROP_SERVER_SERVER_STORE_H_
#define BACKPROP_SERVER_SERVER_STORE_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/ops/metrics.h"
#include "server/options/options.h"
#include "server/sessions/committer.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/session_loader.h"
#include "server/sessions/session_table.h"
#include "server/sessions/store_reader.h"
#include "server/store/data_dir.h"
#include "server/store/store.h"
#include "server/translation/stored_session.h"

namespace backprop {

class ServerStore {
 public:
  // Opens options.data_dir, which is not empty. pool and metrics must outlive
  // the object, undurable also all sessions that it makes durable. Fails where
  // another server has it, or where it can't be read.
  static absl::StatusOr<std::unique_ptr<ServerStore>> Open(
      const ServerOptions& options, ComputePool& pool, Metrics& metrics,
      Undurable& undurable);

  // Tells the table of the stored sessions, before the server serves, and
  // brings them back from then on when they are used. Those that are damaged
  // are logged and left where they are.
  absl::Status BringBack(SessionTable& sessions);

  // What makes a new session durable.
  Durable NewDurable(const SessionSpec& spec, const Layout& layout);

  Committer& committer() { return committer_; }
  StoreReader& reader() { return reader_; }
  SessionLoader& loader() { return *loader_; }  // after BringBack

  // Reads what is still to be read, and commits what is left, once nothing
  // changes sessions any more; while the pool still runs.
  void Stop() {
    reader_.Stop();
    committer_.Stop();
  }

 private:
  ServerStore(DataDir directory, std::unique_ptr<Store> store,
              const ServerOptions& options, ComputePool& pool, Metrics& metrics,
              Undurable& undurable);

  void Report(const Committer::Attempt& attempt);

  Metrics& metrics_;
  const size_t max_history_bytes_;
  const DataDir directory_;
  const std::unique_ptr<Store> store_;
  const ProtoCodec codec_;
  bool failing_ = false;  // the committer's thread's: the last attempt failed

  Committer committer_;  // it uses what is above
  std::optional<SessionLoader> loader_;
  StoreReader reader_;  // last: its jobs use the rest
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SERVER_STORE_H_
