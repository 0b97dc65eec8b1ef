// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/block_writer.h"

namespace backprop {
namespace {

size_t BytesOf(std::span<const DoneRequest> requests) {
  size_t bytes = 0;
  for (const DoneRequest& each : requests) {
    bytes += sizeof(each) + each.key.request_id.size();
  }
  return bytes;
}

// An update of the session may have left it to the block alone.
size_t BytesOf(const SessionSpec& spec) {
  return sizeof(spec) +
         (spec.input.mean.size() + spec.input.factor.size()) * sizeof(float);
}

}  // namespace

void BlockWriter::Begin(const std::shared_ptr<const SessionSpec>& spec,
                        std::string head, const DoneRequests& requests) {
  present_ = {};
  present_.block.head = std::move(head);
  present_.spec = spec;
  present_.requests_before = present_.requests = requests.added();
  present_.bytes = present_.block.head.size() + BytesOf(*spec);
}

void BlockWriter::AddErrors(std::span<const float> errors) {
  if (present_.spec == nullptr) return;
  std::vector<float>& all = present_.block.errors;
  all.insert(all.end(), errors.begin(), errors.end());
  present_.bytes += errors.size_bytes();
}

void BlockWriter::See(const DoneRequests& requests) {
  if (present_.spec == nullptr || requests.added() == present_.requests) return;
  const auto news = requests.Since(present_.requests);
  std::vector<DoneRequest>& all = present_.block.requests;
  all.insert(all.end(), news.begin(), news.end());
  present_.bytes += BytesOf(news);
  present_.requests = requests.added();
}

void BlockWriter::End(StepsRows rows) {
  bytes_ += rows.bytes.size() + present_.bytes;
  ended_.push_back({std::move(rows), std::move(present_.block), present_.spec,
                    present_.requests_before, present_.requests});
  present_ = {};
}

bool BlockWriter::Cover(uint64_t steps) const {
  uint64_t covered = present_.block.errors.size();
  for (const Ended& each : ended_) covered += each.block.errors.size();
  return !torn_ && covered == steps;
}

size_t BytesOf(const BlockWriter::Ended& ended) {
  return ended.rows.bytes.size() + ended.block.head.size() +
         ended.block.errors.size() * sizeof(float) +
         BytesOf(ended.block.requests);
}

}  // namespace backprop
