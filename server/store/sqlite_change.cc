// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_change.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/contract/digest.h"
#include "server/store/failpoint.h"
#include "server/store/sqlite_reader.h"

namespace backprop {
namespace {

// Each reads all bytes of its piece.
std::vector<PieceRow> RowsOf(const std::vector<Piece>& pieces) {
  std::vector<PieceRow> rows;
  rows.reserve(pieces.size());
  for (const Piece& piece : pieces) rows.push_back(RowOf(piece));
  return rows;
}

// Behind which a range's session, first, last and blocks_alone are bound.
constexpr char kInRange[] =
    " FROM pieces WHERE session = ? AND number BETWEEN ? AND ?"
    " AND kind <> 4 AND (kind = 5 OR ? = 0)";
static_assert(PieceKind::kCheckpoint == PieceKind(4) &&
              PieceKind::kBlock == PieceKind(5));

constexpr char kRowColumns[] =
    "SELECT bytes_hash, hash, length(bytes), kind, base_step, step,"
    " first_number, number";

// Columns as in kRowColumns; nothing where the hash is another.
std::optional<PieceRow> ReadRow(const SqliteRows& rows, const std::string& id) {
  const PieceRow piece{.name = {.number = rows.Integer(7),
                                .kind = static_cast<PieceKind>(rows.Integer(3)),
                                .base_step = rows.Integer(4),
                                .step = rows.Integer(5),
                                .first_number = rows.Integer(6)},
                       .size = rows.Integer(2),
                       .bytes_hash = rows.Integer(0)};
  if (HashOf(id, piece) != rows.Integer(1)) return std::nullopt;
  return piece;
}

void TakeOutOf(HeadRow& head, const PieceRow& piece) {
  head.pieces.Remove(HashOf(head.head.id, piece));
  head.piece_bytes -= piece.size;
}

absl::Status Prepare(SqliteDatabase& database, const std::string& sql,
                     std::optional<SqliteStatement>& statement) {
  absl::StatusOr<SqliteStatement> prepared = database.Prepare(sql);
  if (!prepared.ok()) return prepared.status();
  statement.emplace(*std::move(prepared));
  return absl::OkStatus();
}

}  // namespace

uint64_t FingerprintOf(std::span<const SessionChange> changes) {
  std::string hashes;
  for (const SessionChange& change : changes) {
    const HeadRow head{.head = change.head, .key = change.expected_epoch};
    absl::StrAppend(&hashes, change.erase ? " erase " : " ",
                    change.damaged ? "damaged " : "", HashOf(head));
    for (const PieceRow& piece : RowsOf(change.put)) {
      absl::StrAppend(&hashes, " put ", HashOf(change.head.id, piece));
    }
    for (const uint64_t number : change.remove) {
      absl::StrAppend(&hashes, " remove ", number);
    }
    for (const PieceRange& range : change.remove_ranges) {
      absl::StrAppend(&hashes, " remove ", range.first, "-", range.last,
                      range.blocks_alone ? "b" : "");
    }
  }
  return DigestOfBytes(hashes);
}

struct SqliteChangeWriter::Statements {
  std::optional<HeadFinder> heads;
  std::optional<SqliteStatement> insert_head;
  std::optional<SqliteStatement> update_head;
  std::optional<SqliteStatement> delete_head;
  std::optional<SqliteStatement> find_damaged;
  std::optional<SqliteStatement> delete_damaged;
  std::optional<SqliteStatement> insert_epoch;
  std::optional<SqliteStatement> delete_epochs;
  std::optional<SqliteStatement> find_piece;
  std::optional<SqliteStatement> find_range;
  std::optional<SqliteStatement> insert_piece;
  std::optional<SqliteStatement> delete_piece;
  std::optional<SqliteStatement> delete_range;
  std::optional<SqliteStatement> delete_pieces;
};

SqliteChangeWriter::SqliteChangeWriter(std::unique_ptr<Statements> statements)
    : statements_(std::move(statements)) {}
SqliteChangeWriter::SqliteChangeWriter(SqliteChangeWriter&&) noexcept = default;
SqliteChangeWriter::~SqliteChangeWriter() = default;

absl::StatusOr<SqliteChangeWriter> SqliteChangeWriter::Over(
    SqliteDatabase& database) {
  auto made = std::make_unique<Statements>();
  absl::StatusOr<HeadFinder> heads = HeadFinder::Over(database);
  if (!heads.ok()) return heads.status();
  made->heads.emplace(*std::move(heads));
  const std::pair<std::optional<SqliteStatement>*, std::string> texts[] = {
      {&made->insert_head,
       "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
       " ON CONFLICT DO NOTHING"},
      {&made->update_head,
       "UPDATE sessions SET epoch = ?, step = ?, epochs = ?, epoch_hashes = ?,"
       " pieces = ?, piece_hashes = ?, piece_bytes = ?, hash = ?, body = ?"
       " WHERE id = ? AND epoch = ?"},
      {&made->delete_head, "DELETE FROM sessions WHERE id = ? AND epoch = ?"},
      {&made->find_damaged,
       "SELECT key, (SELECT count(*) FROM sessions AS other"
       " WHERE other.key = sessions.key) FROM sessions WHERE id = ?"},
      {&made->delete_damaged, "DELETE FROM sessions WHERE id = ?"},
      {&made->insert_epoch, "INSERT INTO epochs VALUES (?, ?, ?)"},
      {&made->delete_epochs, "DELETE FROM epochs WHERE session = ?"},
      {&made->find_piece,
       absl::StrCat(kRowColumns,
                    " FROM pieces WHERE session = ? AND number = ?")},
      {&made->find_range, absl::StrCat(kRowColumns, kInRange)},
      {&made->insert_piece,
       "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&made->delete_piece,
       "DELETE FROM pieces WHERE session = ? AND number = ?"},
      {&made->delete_range, absl::StrCat("DELETE", kInRange)},
      {&made->delete_pieces, "DELETE FROM pieces WHERE session = ?"}};
  for (const auto& [statement, sql] : texts) {
    if (absl::Status s = Prepare(database, sql, *statement); !s.ok()) return s;
  }
  return SqliteChangeWriter(std::move(made));
}

absl::StatusOr<ChangeOutcome> SqliteChangeWriter::Apply(
    const SessionChange& change, StoreRow& row) {
  const absl::StatusOr<bool> taken = change.erase ? Erase(change, row)
                                     : change.expected_epoch == 0
                                         ? Create(change, row)
                                         : Advance(change);
  if (IsDamagedRow(taken.status())) return ChangeOutcome::kDamaged;
  if (!taken.ok()) return taken.status();
  return *taken ? ChangeOutcome::kTaken : ChangeOutcome::kOtherEpoch;
}

absl::StatusOr<bool> SqliteChangeWriter::Create(const SessionChange& change,
                                                StoreRow& row) {
  HeadRow head{.head = change.head, .key = row.next_key};
  head.epochs.Add(
      HashOf(head.head.id, EpochStart{head.head.epoch, head.head.step}));
  const std::vector<PieceRow> put = RowsOf(change.put);
  if (absl::Status s = CountPieces(change, put, head); !s.ok()) return s;
  absl::StatusOr<size_t> made = statements_->insert_head->Execute(
      head.head.id, head.key, head.head.epoch, head.head.step, head.epochs.rows,
      head.epochs.hashes, head.pieces.rows, head.pieces.hashes,
      head.piece_bytes, HashOf(head), SqliteBlob{head.head.body});
  if (!made.ok()) return made.status();
  if (*made == 0) return false;
  ++row.next_key;
  row.sessions.Add(HashOfId(head.head.id));
  if (absl::Status s = BeginEpoch(change, head.key); !s.ok()) return s;
  if (absl::Status s = PutPieces(change, put, head.key); !s.ok()) return s;
  return true;
}

absl::StatusOr<bool> SqliteChangeWriter::Advance(const SessionChange& change) {
  absl::StatusOr<std::optional<HeadRow>> found =
      statements_->heads->Find(change.head.id);
  if (!found.ok()) return found.status();
  if (!found->has_value() || (*found)->head.epoch != change.expected_epoch) {
    return false;
  }
  HeadRow head = **std::move(found);
  head.head = change.head;
  const bool new_epoch = change.head.epoch != change.expected_epoch;
  if (new_epoch) {
    head.epochs.Add(
        HashOf(head.head.id, EpochStart{head.head.epoch, head.head.step}));
  }
  const std::vector<PieceRow> put = RowsOf(change.put);
  if (absl::Status s = CountPieces(change, put, head); !s.ok()) return s;
  absl::StatusOr<size_t> changed = statements_->update_head->Execute(
      head.head.epoch, head.head.step, head.epochs.rows, head.epochs.hashes,
      head.pieces.rows, head.pieces.hashes, head.piece_bytes, HashOf(head),
      SqliteBlob{head.head.body}, head.head.id, change.expected_epoch);
  if (!changed.ok()) return changed.status();
  if (*changed == 0) return false;
  MayDieAt(Failpoint::kHeadPut);
  if (new_epoch) {
    if (absl::Status s = BeginEpoch(change, head.key); !s.ok()) return s;
  }
  // First, so that what is put takes the pages of what goes.
  if (absl::Status s = RemovePieces(change, head.key); !s.ok()) return s;
  MayDieAt(Failpoint::kPiecesRemoved);
  if (absl::Status s = PutPieces(change, put, head.key); !s.ok()) return s;
  MayDieAt(Failpoint::kPiecesPut);
  return true;
}

absl::StatusOr<bool> SqliteChangeWriter::Erase(const SessionChange& change,
                                               StoreRow& row) {
  if (change.damaged) return EraseDamaged(change.head.id, row);
  absl::StatusOr<std::optional<HeadRow>> found =
      statements_->heads->Find(change.head.id);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return false;
  absl::StatusOr<size_t> gone =
      statements_->delete_head->Execute(change.head.id, change.expected_epoch);
  if (!gone.ok()) return gone.status();
  if (*gone == 0) return false;
  row.sessions.Remove(HashOfId(change.head.id));
  if (absl::Status s = EraseRowsOf((*found)->key); !s.ok()) return s;
  MayDieAt(Failpoint::kSessionErased);
  return true;
}

absl::StatusOr<bool> SqliteChangeWriter::EraseDamaged(const std::string& id,
                                                      StoreRow& row) {
  uint64_t key = 0;
  bool is_only = false;
  {
    SqliteRows rows = statements_->find_damaged->Run(id);
    if (!rows.Next()) {
      if (!rows.status().ok()) return rows.status();
      return true;
    }
    key = rows.Integer(0);
    is_only = rows.Integer(1) == 1;
  }
  absl::StatusOr<size_t> gone = statements_->delete_damaged->Execute(id);
  if (!gone.ok()) return gone.status();
  row.sessions.Remove(HashOfId(id));
  // A key that is damaged may be another session's.
  if (!is_only) return true;
  if (absl::Status s = EraseRowsOf(key); !s.ok()) return s;
  return true;
}

absl::Status SqliteChangeWriter::EraseRowsOf(uint64_t key) {
  absl::StatusOr<size_t> gone = statements_->delete_epochs->Execute(key);
  if (gone.ok()) gone = statements_->delete_pieces->Execute(key);
  return gone.status();
}

absl::StatusOr<PieceRow> SqliteChangeWriter::FindPiece(const HeadRow& head,
                                                       uint64_t number) {
  SqliteRows rows = statements_->find_piece->Run(head.key, number);
  if (!rows.Next()) {
    if (!rows.status().ok()) return rows.status();
    return DamagedPiece(head.head.id, number);
  }
  const std::optional<PieceRow> piece = ReadRow(rows, head.head.id);
  if (piece.has_value()) return *piece;
  return DamagedPiece(head.head.id, number);
}

absl::Status SqliteChangeWriter::TakeOut(const PieceRange& range,
                                         HeadRow& head) {
  SqliteRows rows = statements_->find_range->Run(
      head.key, range.first, range.last, uint64_t{range.blocks_alone});
  while (rows.Next()) {
    const std::optional<PieceRow> piece = ReadRow(rows, head.head.id);
    if (!piece.has_value()) {
      return DamagedPiece(head.head.id, rows.Integer(7));
    }
    TakeOutOf(head, *piece);
  }
  return rows.status();
}

absl::Status SqliteChangeWriter::CountPieces(const SessionChange& change,
                                             std::span<const PieceRow> put,
                                             HeadRow& head) {
  for (const uint64_t number : change.remove) {
    absl::StatusOr<PieceRow> piece = FindPiece(head, number);
    if (!piece.ok()) return piece.status();
    TakeOutOf(head, *piece);
  }
  for (const PieceRange& range : change.remove_ranges) {
    if (absl::Status s = TakeOut(range, head); !s.ok()) return s;
  }
  for (const PieceRow& piece : put) {
    head.pieces.Add(HashOf(head.head.id, piece));
    head.piece_bytes += piece.size;
  }
  return absl::OkStatus();
}

absl::Status SqliteChangeWriter::RemovePieces(const SessionChange& change,
                                              uint64_t key) {
  for (const uint64_t number : change.remove) {
    absl::StatusOr<size_t> gone =
        statements_->delete_piece->Execute(key, number);
    if (!gone.ok()) return gone.status();
  }
  for (const PieceRange& range : change.remove_ranges) {
    absl::StatusOr<size_t> gone = statements_->delete_range->Execute(
        key, range.first, range.last, uint64_t{range.blocks_alone});
    if (!gone.ok()) return gone.status();
  }
  return absl::OkStatus();
}

absl::Status SqliteChangeWriter::PutPieces(const SessionChange& change,
                                           std::span<const PieceRow> rows,
                                           uint64_t key) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const PieceRow& row = rows[i];
    absl::StatusOr<size_t> put = statements_->insert_piece->Execute(
        key, row.name.number, static_cast<uint64_t>(row.name.kind),
        row.name.base_step, row.name.step, row.name.first_number,
        row.bytes_hash, HashOf(change.head.id, row),
        SqliteBlob{change.put[i].bytes});
    if (put.ok()) continue;
    return absl::Status(
        put.status().code(),
        absl::StrCat("piece ", row.name.number, " of session ", change.head.id,
                     ": ", put.status().message()));
  }
  return absl::OkStatus();
}

absl::Status SqliteChangeWriter::BeginEpoch(const SessionChange& change,
                                            uint64_t key) {
  return statements_->insert_epoch
      ->Execute(key, change.head.epoch, change.head.step)
      .status();
}

}  // namespace backprop
