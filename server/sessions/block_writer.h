// SPDX-License-Identifier: Apache-2.0
//
// Gathers, until the next commit, what a session's history needs of its steps:
// blocks, each of steps that were done by one spec (history.h), and their rows.
// As a plain value.
#ifndef BACKPROP_SERVER_SESSIONS_BLOCK_WRITER_H_
#define BACKPROP_SERVER_SESSIONS_BLOCK_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/sessions/done_requests.h"
#include "server/sessions/history.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// A piece of steps that is yet to be put.
struct StepsRows {
  uint64_t base_step = 0;
  uint64_t step = 0;
  std::string bytes = {};
};

class BlockWriter {
 public:
  struct Ended {
    StepsRows rows;
    HistoryBlock block;
    std::shared_ptr<const SessionSpec> spec;
    // Requests that the session had done when the block began, and ended.
    uint64_t requests_before = 0;
    uint64_t requests_after = 0;
  };

  // Whether steps by that spec go on in the present block.
  bool GoesOn(const std::shared_ptr<const SessionSpec>& spec) const {
    return present_.spec == spec;
  }
  // The present block has steps, whose rows End wants.
  bool has_steps() const { return !present_.block.errors.empty(); }

  // The next steps are the first of a block. head: the body of the session's.
  void Begin(const std::shared_ptr<const SessionSpec>& spec, std::string head,
             const DoneRequests& requests);
  void AddErrors(std::span<const float> errors);
  // Those that were done since the block began, or since the last call.
  void See(const DoneRequests& requests);
  void End(StepsRows rows);
  // Has memory for the next End, which can't fail then.
  void MakeRoom() { ended_.reserve(ended_.size() + 1); }

  // Steps are done that no block has, or their order is lost: there are no
  // blocks until the next Clear. The rows of those that have ended stay.
  void Tear() {
    present_ = {};
    torn_ = true;
  }
  bool torn() const { return torn_; }

  // Whether all of so many steps are in blocks.
  bool Cover(uint64_t steps) const;
  // Of all that they hold: their rows as soon as they have ended.
  size_t bytes() const { return bytes_ + present_.bytes; }

  std::vector<Ended> Take() { return std::exchange(ended_, {}); }
  void Clear() { *this = {}; }

 private:
  struct Present {
    HistoryBlock block;
    std::shared_ptr<const SessionSpec> spec;  // null: there is none
    uint64_t requests_before = 0;
    uint64_t requests = 0;  // that have been seen of the session's
    size_t bytes = 0;       // without rows
  };

  Present present_;
  std::vector<Ended> ended_;
  size_t bytes_ = 0;  // of ended_
  bool torn_ = false;
};

// Of its rows, and of what the block says.
size_t BytesOf(const BlockWriter::Ended& ended);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_BLOCK_WRITER_H_
