// SPDX-License-Identifier: Apache-2.0
//
// The embedded store: one SQLite database, `sessions.db` in the data directory.
// README.md in this folder tells of its tables, and how to read them with the
// sqlite3 shell.
//
// Two connections: one that commits, for the thread that does, and one that
// reads, under a mutex, so that reading waits for no commit. A commit is
// durable when SQLite has synced its write-ahead log. The thread that commits
// also copies the log into the database when it has grown long: another would
// never find the moment in which it may begin anew.
//
// After an error of a commit SQLite's word on what is on the disk is worth
// nothing: the kernel reports a failed sync once, and then takes what it could
// not write for clean. So both connections are closed; the next commit opens
// them anew, and before it does anything
// - writes the log over itself and syncs it, so that the disk has all of it
//   that can be read: else pages that are copied from it would stand beside
//   older ones that a restart copies from the part that the disk has;
// - writes all that it holds into the database file once more, and syncs that;
// - reads every session's id, and compares the number of commits with its own:
//   the failed one is there whole, or not.
// The first opening does the same: the server before may have ended on an
// error.
#ifndef BACKPROP_SERVER_STORE_SQLITE_STORE_H_
#define BACKPROP_SERVER_STORE_SQLITE_STORE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace backprop {

struct SqliteStoreOptions {
  // Length of the write-ahead log at which it is copied into the database.
  // More: each page is written less often, and opening after a crash takes
  // longer.
  size_t log_bytes = size_t{8} << 20;
};

// Makes the folder and the database where there are none. Fails with
// FAILED_PRECONDITION where the database is not ours or of another version,
// DATA_LOSS where sessions have vanished from it. Whoever opens has to hold the
// folder (data_dir.h).
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(
    const std::string& data_dir, const SqliteStoreOptions& options = {});

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SQLITE_STORE_H_
