// SPDX-License-Identifier: Apache-2.0
//
// The last block of a session's history and its rows, while they are short. The
// next ones are put together with them, and in their place: else a stream of a
// sample a commit would make two pieces of each, which cost the store a row,
// and who goes through them time, however few bytes they have.
#ifndef BACKPROP_SERVER_SESSIONS_SHORT_BLOCK_H_
#define BACKPROP_SERVER_SESSIONS_SHORT_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "server/sessions/block_writer.h"

namespace backprop {

struct ShortBlock {
  // One that has come to so many bytes is short no longer.
  static constexpr size_t kMostBytes = size_t{16} << 10;

  uint64_t steps_piece = 0;  // where its rows are; the block is the next piece
  BlockWriter::Ended ended;

  size_t bytes() const { return BytesOf(ended); }
  // Whether `next`, which nothing but these was put before, goes on where it
  // ends: by the same spec, and with no request done between them.
  bool GoesOnWith(const BlockWriter::Ended& next, uint64_t next_piece) const;
  // Both as one.
  BlockWriter::Ended With(BlockWriter::Ended next) const;
};

// Null where it is not short.
std::shared_ptr<const ShortBlock> ShortBlockOf(const BlockWriter::Ended& ended,
                                               uint64_t steps_piece);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SHORT_BLOCK_H_
