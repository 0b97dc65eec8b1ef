// SPDX-License-Identifier: Apache-2.0
#include "server/calls/response_merge.h"

#include <cstdint>
#include <string>

namespace backprop {
namespace {

// A response beyond this is long enough by itself.
constexpr size_t kMostBytes = size_t{256} << 10;

// What only one of several messages could have said, or nothing to merge.
bool Speaks(const v1::TrainResponse& response) {
  return response.step() == response.base_step() || response.has_rejection() ||
         response.has_standardisation() || response.goodbye() ||
         response.skipped_samples() != 0;
}

size_t Bytes(const v1::TrainResponse& response) {
  return response.deltas().size() + response.outputs().size() +
         response.scalars().size() +
         sizeof(v1::StepDigest) * static_cast<size_t>(response.digests_size()) +
         sizeof(float) * static_cast<size_t>(response.errors_size());
}

uint64_t Steps(const v1::TrainResponse& response) {
  return response.step() - response.base_step();
}

// A row for each step, where a single one stood for all.
std::string ScalarRows(const v1::TrainResponse& response, size_t row_bytes) {
  const std::string& rows = response.scalars();
  if (rows.size() != row_bytes) return rows;
  std::string all;
  all.reserve(Steps(response) * row_bytes);
  for (uint64_t t = 0; t < Steps(response); ++t) all += rows;
  return all;
}

void MergeScalars(const v1::TrainResponse& next, size_t scalar_count,
                  v1::TrainResponse* merged) {
  if (scalar_count == 0) return;
  const size_t row_bytes = scalar_count * sizeof(float);
  // One row that holds for all steps of both.
  if (next.scalars().size() == row_bytes &&
      next.scalars() == merged->scalars()) {
    return;
  }
  merged->set_scalars(ScalarRows(*merged, row_bytes) +
                      ScalarRows(next, row_bytes));
}

}  // namespace

bool MergeResponse(const v1::TrainResponse& next, size_t scalar_count,
                   v1::TrainResponse* merged) {
  if (Speaks(next) || Speaks(*merged)) return false;
  if (next.held() != merged->held()) return false;
  if (Bytes(next) + Bytes(*merged) > kMostBytes) return false;
  // Scalars and norms are for all steps or for none.
  if (next.scalars().empty() != merged->scalars().empty() ||
      (next.gradient_norms_size() == 0) !=
          (merged->gradient_norms_size() == 0)) {
    return false;
  }
  if (merged->first_message_number() == 0) {
    merged->set_first_message_number(merged->message_number());
  }
  MergeScalars(next, scalar_count, merged);  // while the steps are the old ones
  merged->set_message_number(next.message_number());
  merged->set_message_done(next.message_done());
  merged->set_step(next.step());
  merged->set_next_offset(next.next_offset());
  merged->set_durable_step(next.durable_step());
  merged->set_durable_offset(next.durable_offset());
  merged->mutable_errors()->MergeFrom(next.errors());
  merged->mutable_deltas()->append(next.deltas());
  merged->mutable_digests()->MergeFrom(next.digests());
  merged->mutable_outputs()->append(next.outputs());
  merged->mutable_gradient_norms()->MergeFrom(next.gradient_norms());
  return true;
}

}  // namespace backprop
