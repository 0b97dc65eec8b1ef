// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/short_block.h"

#include <utility>

#include "server/store/session_steps.h"

namespace backprop {
namespace {

// Both, in this order.
template <class Value>
std::vector<Value> Joined(std::vector<Value> first,
                          const std::vector<Value>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

bool ShortBlock::GoesOnWith(const BlockWriter::Ended& next,
                            uint64_t next_piece) const {
  return next_piece == steps_piece + 2 && next.spec == ended.spec &&
         next.rows.base_step == ended.rows.step &&
         next.requests_before == ended.requests_after;
}

BlockWriter::Ended ShortBlock::With(BlockWriter::Ended next) const {
  next.rows.bytes = JoinSteps(ended.rows.bytes, next.rows.bytes);
  next.rows.base_step = ended.rows.base_step;
  next.block.head = ended.block.head;
  next.block.errors = Joined(ended.block.errors, next.block.errors);
  next.block.requests = Joined(ended.block.requests, next.block.requests);
  next.requests_before = ended.requests_before;
  return next;
}

std::shared_ptr<const ShortBlock> ShortBlockOf(const BlockWriter::Ended& ended,
                                               uint64_t steps_piece) {
  if (BytesOf(ended) >= ShortBlock::kMostBytes) return nullptr;
  return std::make_shared<const ShortBlock>(ShortBlock{steps_piece, ended});
}

}  // namespace backprop
