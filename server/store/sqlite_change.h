// SPDX-License-Identifier: Apache-2.0
//
// Does one SessionChange to the tables, within a transaction of its caller's.
#ifndef BACKPROP_SERVER_STORE_SQLITE_CHANGE_H_
#define BACKPROP_SERVER_STORE_SQLITE_CHANGE_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/row_hash.h"
#include "server/store/sqlite_database.h"
#include "server/store/store.h"

namespace backprop {

// Which changes they are: those that are committed again after an error.
uint64_t FingerprintOf(std::span<const SessionChange> changes);

// Goes with its connection, which has to outlive it.
class SqliteChangeWriter {
 public:
  static absl::StatusOr<SqliteChangeWriter> Over(SqliteDatabase& database);
  SqliteChangeWriter(SqliteChangeWriter&&) noexcept;
  ~SqliteChangeWriter();

  // Keeps up what `row` sums up. After an error the transaction has to be
  // rolled back.
  absl::StatusOr<ChangeOutcome> Apply(const SessionChange& change,
                                      StoreRow& row);

 private:
  struct Statements;
  explicit SqliteChangeWriter(std::unique_ptr<Statements> statements);

  // Each: whether it was taken, or another epoch was met. All look at what
  // is stored before they write, so that what they find damaged is left as it
  // is.
  absl::StatusOr<bool> Create(const SessionChange& change, StoreRow& row);
  absl::StatusOr<bool> Advance(const SessionChange& change);
  absl::StatusOr<bool> Erase(const SessionChange& change, StoreRow& row);
  absl::StatusOr<bool> EraseDamaged(const std::string& id, StoreRow& row);
  absl::Status EraseRowsOf(uint64_t key);
  // Takes what the change removes out of the head's sums, and puts `put` in.
  absl::Status CountPieces(const SessionChange& change,
                           std::span<const PieceRow> put, HeadRow& head);
  absl::StatusOr<PieceRow> FindPiece(const HeadRow& head, uint64_t number);
  absl::Status TakeOut(const PieceRange& range, HeadRow& head);
  absl::Status RemovePieces(const SessionChange& change, uint64_t key);
  // rows: of change.put, in its order.
  absl::Status PutPieces(const SessionChange& change,
                         std::span<const PieceRow> rows, uint64_t key);
  absl::Status BeginEpoch(const SessionChange& change, uint64_t key);

  std::unique_ptr<Statements> statements_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SQLITE_CHANGE_H_
