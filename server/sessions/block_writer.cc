// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/block_writer.h"

namespace backprop {

void BlockWriter::Begin(const std::shared_ptr<const SessionSpec>& spec,
                        std::string head, const DoneRequests& requests) {
  present_ = {};
  present_.block.head = std::move(head);
  present_.spec = spec;
  present_.requests = requests.added();
}

void BlockWriter::AddErrors(std::span<const float> errors) {
  if (present_.spec == nullptr) return;
  std::vector<float>& all = present_.block.errors;
  all.insert(all.end(), errors.begin(), errors.end());
}

void BlockWriter::See(const DoneRequests& requests) {
  if (present_.spec == nullptr || requests.added() == present_.requests) return;
  const auto news = requests.Since(present_.requests);
  std::vector<DoneRequest>& all = present_.block.requests;
  all.insert(all.end(), news.begin(), news.end());
  present_.requests = requests.added();
}

void BlockWriter::End(StepsRows rows) {
  bytes_ += rows.bytes.size();
  ended_.push_back({std::move(rows), std::move(present_.block), present_.spec});
  present_ = {};
}

bool BlockWriter::Cover(uint64_t steps) const {
  uint64_t covered = present_.block.errors.size();
  for (const Ended& each : ended_) covered += each.block.errors.size();
  return !torn_ && covered == steps;
}

}  // namespace backprop
