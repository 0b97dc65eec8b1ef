// SPDX-License-Identifier: Apache-2.0
//
// The rows of the embedded store, but for pieces' bytes, and a hash over all
// that each says, which stands in the row beside it: neither SQLite nor a disk
// says so when a bit has turned. What a row sums up of others is the XOR of
// their hashes, so that one that vanished, or came back, is seen.
//
// A hash is XXH3-64 over the columns in the order of the fields here, numbers
// as 8 bytes, little-endian, texts after their length, all after one letter for
// the kind of row.
#ifndef BACKPROP_SERVER_STORE_ROW_HASH_H_
#define BACKPROP_SERVER_STORE_ROW_HASH_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/store/store.h"

namespace backprop {

// How many rows, and the XOR of their hashes.
struct RowSum {
  uint64_t rows = 0;
  uint64_t hashes = 0;

  void Add(uint64_t hash) {
    ++rows;
    hashes ^= hash;
  }
  void Remove(uint64_t hash) {
    --rows;
    hashes ^= hash;
  }

  friend bool operator==(const RowSum&, const RowSum&) = default;
};

// The only row of table store.
struct StoreRow {
  uint64_t commits = 0;   // that this database has seen
  uint64_t next_key = 1;  // the next session's
  RowSum sessions;        // by HashOfId
};

// A row of table sessions.
struct HeadRow {
  SessionHead head;
  uint64_t key = 0;  // what the other tables call the session
  RowSum epochs = {};
  RowSum pieces = {};
  uint64_t piece_bytes = 0;
};

// A row of table pieces.
struct PieceRow {
  PieceName name;
  uint64_t size = 0;        // of its bytes
  uint64_t bytes_hash = 0;  // XXH3-64 of its bytes alone
};

uint64_t HashOfId(std::string_view id);
uint64_t HashOf(const StoreRow& row);
uint64_t HashOf(const HeadRow& row);
// The others belong to a session, and say so.
uint64_t HashOf(std::string_view id, const EpochStart& row);
uint64_t HashOf(std::string_view id, const PieceRow& row);

PieceRow RowOf(const Piece& piece);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_ROW_HASH_H_
