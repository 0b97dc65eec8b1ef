// SPDX-License-Identifier: Apache-2.0
//
// ProtoCodec's blocks of a history.
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backprop/store/v1/session.pb.h"
#include "server/translation/stored_requests.h"
#include "server/translation/stored_session.h"
#include "server/translation/timestamp.h"

namespace backprop {
namespace {

constexpr uint32_t kBlockForm = 1;

// Errors of all of a block's steps, each finite.
absl::Status TakeErrors(const std::string& bytes, const PieceName& name,
                        std::vector<float>* errors) {
  if (name.step < name.base_step || bytes.size() % sizeof(float) != 0 ||
      bytes.size() / sizeof(float) != name.step - name.base_step) {
    return absl::DataLossError(absl::StrCat("a block of steps ", name.base_step,
                                            " to ", name.step, " has ",
                                            bytes.size(), " bytes of errors"));
  }
  errors->resize(bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(errors->data(), bytes.data(), bytes.size());
  for (const float error : *errors) {
    if (!std::isfinite(error)) {
      return absl::DataLossError("an error of a block is not finite");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string ProtoCodec::EncodeBlock(const HistoryBlock& block) const {
  store::v1::StoredBlock stored;
  stored.set_form(kBlockForm);
  stored.set_head(block.head);
  stored.set_errors(block.errors.data(), block.errors.size() * sizeof(float));
  stored.set_spec_piece(block.spec_piece);
  stored.set_last_piece(block.last_piece);
  DoneRequestsToProto(block.requests, stored.mutable_done_requests());
  TimeToProto(block.time, stored.mutable_time());
  return stored.SerializeAsString();
}

absl::StatusOr<HistoryBlock> ProtoCodec::DecodeBlock(
    const PieceName& name, std::string_view bytes) const {
  store::v1::StoredBlock stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("a block is no message");
  }
  if (stored.form() != kBlockForm) {
    return absl::DataLossError(
        absl::StrCat("a block was written in form ", stored.form(),
                     "; this server knows form ", kBlockForm));
  }
  auto requests = DoneRequestsFromProto(stored.done_requests());
  if (!requests.ok()) return requests.status();
  HistoryBlock block{.head = stored.head(),
                     .spec_piece = stored.spec_piece(),
                     .last_piece = stored.last_piece(),
                     .requests = *std::move(requests),
                     .time = TimeFromProto(stored.time())};
  absl::Status taken = TakeErrors(stored.errors(), name, &block.errors);
  if (!taken.ok()) return taken;
  return block;
}

}  // namespace backprop
