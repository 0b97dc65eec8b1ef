// SPDX-License-Identifier: Apache-2.0
//
// Reads stored sessions over one connection, and believes no row whose hash is
// another. Errors are as store.h says.
#ifndef BACKPROP_SERVER_STORE_SQLITE_READER_H_
#define BACKPROP_SERVER_STORE_SQLITE_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/row_hash.h"
#include "server/store/sqlite_database.h"
#include "server/store/store.h"

namespace backprop {

// Whether the error tells of rows of one session that are not what was written:
// the others' can be read and written all the same.
bool IsDamagedRow(const absl::Status& status);

// Such an error.
absl::Status DamagedPiece(const std::string& id, uint64_t number);

// The row of a session; nothing where there is none.
class HeadFinder {
 public:
  static absl::StatusOr<HeadFinder> Over(SqliteDatabase& database);

  absl::StatusOr<std::optional<HeadRow>> Find(const std::string& id);

 private:
  explicit HeadFinder(SqliteStatement find) : find_(std::move(find)) {}

  SqliteStatement find_;
};

// Goes with its connection, which has to outlive it.
class SqliteReader {
 public:
  static absl::StatusOr<SqliteReader> Over(SqliteDatabase& database);

  absl::StatusOr<StoredSession> Load(const std::string& id);
  absl::StatusOr<std::vector<StoredHead>> List(const std::string& after,
                                               size_t count);
  absl::StatusOr<std::string> ReadPiece(const std::string& id, uint64_t number);

  // The only row of table store.
  absl::StatusOr<StoreRow> ReadStoreRow();
  // DATA_LOSS where table sessions does not hold those that `row` sums up, or
  // in an order in which they can't be found.
  absl::Status CheckSessions(const StoreRow& row);

 private:
  SqliteReader(SqliteDatabase& database, HeadFinder heads,
               std::vector<SqliteStatement> statements);

  absl::StatusOr<HeadRow> FindHead(const std::string& id);
  absl::Status ReadEpochs(const HeadRow& head, std::vector<EpochStart>& epochs);
  absl::Status ReadPieces(const HeadRow& head,
                          std::vector<StoredPiece>& pieces);
  absl::StatusOr<StoredSession> LoadRows(const std::string& id);
  absl::StatusOr<std::string> ReadBytes(const std::string& id, uint64_t number);
  // What is to be said of a piece that is not there.
  absl::Status NoPiece(const HeadRow& head, uint64_t number);

  SqliteDatabase* database_;
  HeadFinder heads_;
  SqliteStatement list_;
  SqliteStatement epochs_;
  SqliteStatement pieces_;
  SqliteStatement piece_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SQLITE_READER_H_
