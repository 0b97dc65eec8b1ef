// SPDX-License-Identifier: Apache-2.0
#include "server/store/row_hash.h"

#include <initializer_list>
#include <string>

#include "engine/contract/digest.h"

namespace backprop {
namespace {

class Columns {
 public:
  explicit Columns(char kind) : bytes_(1, kind) {}

  Columns& Add(std::initializer_list<uint64_t> numbers) {
    for (const uint64_t number : numbers) {
      for (int shift = 0; shift < 64; shift += 8) {
        bytes_.push_back(static_cast<char>(number >> shift));
      }
    }
    return *this;
  }
  Columns& Add(std::string_view text) {
    Add({text.size()});
    bytes_ += text;
    return *this;
  }
  uint64_t Hash() const { return DigestOfBytes(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace

uint64_t HashOfId(std::string_view id) { return Columns('i').Add(id).Hash(); }

uint64_t HashOf(const StoreRow& row) {
  return Columns('s')
      .Add({row.commits, row.next_key, row.sessions.rows, row.sessions.hashes})
      .Hash();
}

uint64_t HashOf(const HeadRow& row) {
  return Columns('h')
      .Add(row.head.id)
      .Add({row.key, row.head.epoch, row.head.step, row.epochs.rows,
            row.epochs.hashes, row.pieces.rows, row.pieces.hashes,
            row.piece_bytes})
      .Add(row.head.body)
      .Hash();
}

uint64_t HashOf(std::string_view id, const EpochStart& row) {
  return Columns('e').Add(id).Add({row.epoch, row.first_step}).Hash();
}

uint64_t HashOf(std::string_view id, const PieceRow& row) {
  return Columns('p')
      .Add(id)
      .Add({row.name.number, static_cast<uint64_t>(row.name.kind),
            row.name.base_step, row.name.step, row.name.first_number, row.size,
            row.bytes_hash})
      .Hash();
}

PieceRow RowOf(const Piece& piece) {
  return {piece.name, piece.bytes.size(), DigestOfBytes(piece.bytes)};
}

}  // namespace backprop
