// SPDX-License-Identifier: Apache-2.0
//
// The embedded store's two connections, each with all that it does.
#ifndef BACKPROP_SERVER_STORE_SQLITE_CONNECTIONS_H_
#define BACKPROP_SERVER_STORE_SQLITE_CONNECTIONS_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/row_hash.h"
#include "server/store/sqlite_change.h"
#include "server/store/sqlite_database.h"
#include "server/store/sqlite_reader.h"
#include "server/store/store.h"

namespace backprop {

// Not moved: the reader knows where the connection is.
class ReadingConnection {
 public:
  static absl::StatusOr<std::unique_ptr<ReadingConnection>> Open(
      const std::string& path, size_t log_bytes);

  SqliteReader& reader() { return reader_; }

 private:
  ReadingConnection(std::unique_ptr<SqliteDatabase> database,
                    SqliteReader reader)
      : database_(std::move(database)), reader_(std::move(reader)) {}

  const std::unique_ptr<SqliteDatabase> database_;
  SqliteReader reader_;
};

class WritingConnection {
 public:
  // log_bytes: at which length of the log Copy copies it.
  static absl::StatusOr<std::unique_ptr<WritingConnection>> Open(
      const std::string& path, size_t log_bytes);

  // One transaction. Tells of each change what has become of it, as far as they
  // came, and gives the row of table store as it is afterwards, which was
  // `row`. After an error there is nothing to be done but to close this.
  absl::StatusOr<StoreRow> Commit(std::span<const SessionChange> changes,
                                  StoreRow row,
                                  std::vector<ChangeOutcome>& outcomes);

  // Writes the log once more, then all that is in it into the database file,
  // each synced: also what is there already. UNAVAILABLE where a reader is in
  // the way.
  absl::Status CopyWholeLog();
  // The same where the log has become long, as far as nobody is in the way.
  absl::Status CopyLongLog();

  // Else closing this copies the log, if it is the last connection.
  void KeepLogAtClose() { database_->KeepLogAtClose(true); }
  void CopyLogAtClose() { database_->KeepLogAtClose(false); }

 private:
  WritingConnection(std::unique_ptr<SqliteDatabase> database,
                    SqliteChangeWriter changes, SqliteStatement update_row,
                    size_t log_bytes)
      : database_(std::move(database)),
        log_bytes_(log_bytes),
        changes_(std::move(changes)),
        update_row_(std::move(update_row)),
        copied_at_(log_bytes) {}

  size_t LogBytes() const;

  const std::unique_ptr<SqliteDatabase> database_;
  const size_t log_bytes_;
  SqliteChangeWriter changes_;
  SqliteStatement update_row_;
  size_t copied_at_;  // the length of the log at which it is copied next
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SQLITE_CONNECTIONS_H_
