// SPDX-License-Identifier: Apache-2.0
//
// A connection to an SQLite database, and statements on it: sqlite3's calls
// with owners, and with absl::Status for its codes. No other file includes
// sqlite3.h.
//
//   absl::StatusOr<SqliteStatement> find =
//       database.Prepare("SELECT epoch FROM sessions WHERE id = ?");
//   SqliteRows rows = find->Run(id);
//   while (rows.Next()) Use(rows.Integer(0));
//   if (!rows.status().ok()) return rows.status();
#ifndef BACKPROP_SERVER_STORE_SQLITE_DATABASE_H_
#define BACKPROP_SERVER_STORE_SQLITE_DATABASE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace backprop {

// What a statement answers, from the first row on. The statement can be run
// again when this is gone; until then its read transaction is open.
class SqliteRows {
 public:
  explicit SqliteRows(sqlite3_stmt* statement, int bind_error);
  SqliteRows(SqliteRows&& other) noexcept;
  SqliteRows& operator=(SqliteRows&&) = delete;
  ~SqliteRows();

  // Goes to the next row. False: there is none, or status() tells of an error.
  bool Next();
  const absl::Status& status() const { return status_; }

  // Of the row, columns from 0 on. Valid until Next.
  uint64_t Integer(int column) const;
  std::string_view Bytes(int column) const;

 private:
  sqlite3_stmt* statement_;
  absl::Status status_;
};

// Bytes that are bound as a blob; what is bound as a std::string_view is text.
struct SqliteBlob {
  std::string_view bytes;
};

class SqliteStatement {
 public:
  // Binds its parameters in their order. What is bound has to stay until the
  // rows are gone.
  template <class... Values>
  SqliteRows Run(const Values&... values) {
    int index = 0;
    int error = 0;
    (KeepFirst(error, Bind(++index, values)), ...);
    return SqliteRows(statement_.get(), error);
  }

  // Runs it to its end. Answers how many rows it changed.
  template <class... Values>
  absl::StatusOr<size_t> Execute(const Values&... values) {
    SqliteRows rows = Run(values...);
    while (rows.Next()) {
    }
    if (!rows.status().ok()) return rows.status();
    return Changed();
  }

 private:
  friend class SqliteDatabase;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };

  explicit SqliteStatement(sqlite3_stmt* statement) : statement_(statement) {}

  static void KeepFirst(int& error, int next) {
    if (error == 0) error = next;
  }
  // As SQLite's integers are signed, the larger half of the numbers is stored
  // as negative ones.
  int Bind(int index, uint64_t value);
  int Bind(int index, std::string_view text);
  int Bind(int index, SqliteBlob blob);
  size_t Changed() const;

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

// Its statements have to be gone before it. One thread at a time.
class SqliteDatabase {
 public:
  enum class Missing { kFails, kIsMade };

  // How far a checkpoint has come: pages in the log, and those of them that
  // the database file has.
  struct Checkpointed {
    size_t pages = 0;
    size_t copied = 0;
    bool whole() const { return pages == copied; }
  };

  static absl::StatusOr<SqliteDatabase> Open(const std::string& path,
                                             Missing missing);

  // Statements without parameters, whose rows don't matter.
  absl::Status Execute(const std::string& sql);
  absl::StatusOr<SqliteStatement> Prepare(const std::string& sql);
  // The first column of the only row.
  absl::StatusOr<uint64_t> ReadInteger(const std::string& sql);
  absl::StatusOr<std::string> ReadText(const std::string& sql);

  // How long a statement waits for a lock that another process has.
  void WaitForLocks(std::chrono::milliseconds longest);

  // Pages in the log after this connection's last commit.
  size_t log_pages() const { return *log_pages_; }
  // What can be copied into the database file without waiting for anybody.
  absl::StatusOr<Checkpointed> Checkpoint();
  // All; waits for readers, as WaitForLocks says, and empties the log.
  absl::StatusOr<Checkpointed> EmptyLog();
  // Writes the log's bytes where they are once more, and syncs it: afterwards
  // it is on the disk as it reads, whatever became of earlier syncs. Changes
  // nothing for those who read meanwhile.
  absl::Status RewriteLog();
  // Whether closing this, where it is the last connection, leaves the log. Else
  // it copies the log and removes it. At first it keeps it.
  void KeepLogAtClose(bool keep);

 private:
  struct Closer {
    void operator()(sqlite3* database) const;
  };

  explicit SqliteDatabase(sqlite3* database);
  absl::StatusOr<Checkpointed> CheckpointAs(int mode);
  absl::Status RewriteLogFile();

  std::unique_ptr<size_t> log_pages_;  // outlives the connection that writes it
  std::unique_ptr<sqlite3, Closer> database_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SQLITE_DATABASE_H_
