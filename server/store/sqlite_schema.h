// SPDX-License-Identifier: Apache-2.0
//
// The tables of the embedded store, which README.md in this folder tells of,
// and the settings of a connection to them.
#ifndef BACKPROP_SERVER_STORE_SQLITE_SCHEMA_H_
#define BACKPROP_SERVER_STORE_SQLITE_SCHEMA_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/sqlite_database.h"

namespace backprop {

// In PRAGMA application_id and user_version.
inline constexpr uint64_t kStoreApplicationId = 0x42505344;  // "BPSD"
inline constexpr uint64_t kStoreSchemaVersion = 2;

inline constexpr size_t kStorePageBytes = 16384;

// How long a connection waits for a lock that another process has.
inline constexpr std::chrono::seconds kStoreLockWait{5};

// The database in a data directory.
std::string StoreFileIn(const std::string& data_dir);

// Makes an empty store at path, where nothing is. It is there whole or not at
// all, also after a loss of power.
absl::Status MakeStoreFile(const std::string& path);

// A connection to the store at path: durable commits, no checkpoint but those
// that are asked for. Fails with FAILED_PRECONDITION where the file is no
// store, or one of another version. log_bytes: to which the log is cut down
// when it begins anew.
absl::StatusOr<SqliteDatabase> ConnectToStoreFile(const std::string& path,
                                                  size_t log_bytes);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SQLITE_SCHEMA_H_
