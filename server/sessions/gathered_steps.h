// SPDX-License-Identifier: Apache-2.0
//
// What a session's steps since its journal's last hand-over added: their rows
// and, where history is kept, their blocks (block_writer.h). They are gathered
// as long as rows are the cheaper record; beyond that they are let go, and only
// counted.
#ifndef BACKPROP_SERVER_SESSIONS_GATHERED_STEPS_H_
#define BACKPROP_SERVER_SESSIONS_GATHERED_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/contract/input.h"
#include "engine/contract/layout.h"
#include "server/sessions/block_writer.h"
#include "server/sessions/done_requests.h"
#include "server/sessions/session_spec.h"
#include "server/store/session_steps.h"

namespace backprop {

class GatheredSteps {
 public:
  // Of a session that the store does not know yet: its first steps need no
  // rows, as its image comes with them.
  GatheredSteps(const Layout& layout, ElementType element_type);
  // Those after that step.
  GatheredSteps(const Layout& layout, ElementType element_type, uint64_t step);

  // Before steps that Add will be told of, or none: the spec that they are done
  // by, and requests that were done. False: history wants BeginBlock too.
  bool Begin(const std::shared_ptr<const SessionSpec>& spec,
             const DoneRequests& requests);
  // head: the body of the session's.
  void BeginBlock(const std::shared_ptr<const SessionSpec>& spec,
                  std::string head, const DoneRequests& requests);
  // Where there is no memory for them, they are let go.
  void Add(const StepsPart& part, std::span<const float> errors);

  // How many steps, gathered or not.
  uint64_t count() const { return count_; }
  // What there is leads from that step to the other.
  bool Lead(uint64_t from, uint64_t to) const {
    return gathers_ && from + count_ == to;
  }
  // ... and all of it is in blocks.
  bool AllInBlocks() const { return blocks_.Cover(count_); }
  bool gathers() const { return gathers_; }
  size_t bytes() const { return rows_.bytes() + blocks_.bytes(); }
  // Of the spec at the last Begin.
  const HistoryLimits& limits() const { return limits_; }

  // Hands over first the blocks that there are, with their rows, then the rows
  // that are in none. REQUIRES: count() > 0.
  std::vector<BlockWriter::Ended> TakeBlocks(const DoneRequests& requests);
  bool has_rows() const { return !rows_.empty(); }
  StepsRows TakeRows();

  // All is handed over: what comes after that step is gathered, if the last
  // steps say that it is worth while.
  void StartAfter(uint64_t step, const HistoryLimits& limits);
  // What there was is lost: until StartAfter nothing is gathered. Needs no
  // memory.
  void LetGo();

 private:
  size_t MostBytes() const;
  void NoteBytesAStep() { bytes_a_step_ = bytes() / count_; }

  // Constant after construction.
  const bool restore_;  // rows bring the session back
  const size_t image_bytes_;

  StepsWriter rows_;
  BlockWriter blocks_;       // of the same steps
  bool gathers_ = true;      // both hold all of them
  uint64_t count_ = 0;       // how many these are
  size_t bytes_a_step_ = 0;  // as the last rows were; 0: not known
  HistoryLimits limits_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_GATHERED_STEPS_H_
