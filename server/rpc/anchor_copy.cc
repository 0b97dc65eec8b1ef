// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/anchor_copy.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "engine/contract/digest.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/over_budget.h"
#include "server/translation/continuation.h"
#include "server/translation/input.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

using Numbers = std::shared_ptr<const ReservedNumbers>;

// What stands before a field's `length` bytes on the wire.
void AppendTag(int field, size_t length, std::string* bytes) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::StringOutputStream stream(bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  output.WriteTag(WireFormatLite::MakeTag(
      field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
  output.WriteVarint64(length);
}

// `count` numbers from `first` on, themselves.
grpc::Slice Lend(const Numbers& numbers, size_t first, size_t count) {
  auto* const owner = new Numbers(numbers);
  // Slices are read only; the signature is older than that.
  return grpc::Slice(
      const_cast<float*>(numbers->numbers.data() + first),
      count * sizeof(float),
      [](void* kept) { delete static_cast<Numbers*>(kept); }, owner);
}

}  // namespace

std::string AnchorCopy::Head(size_t first, size_t count) const {
  v1::GetWeightsResponse head = head_;
  if (first == 0) head.MergeFrom(first_);
  head.set_first_weight(first);
  std::string bytes = head.SerializeAsString();
  AppendTag(v1::GetWeightsResponse::kWeightsFieldNumber, count * sizeof(float),
            &bytes);
  return bytes;
}

grpc::ByteBuffer AnchorCopy::Chunk(size_t first) const {
  const size_t count = std::min(kAnchorChunkNumbers, size_ - first);
  const std::array<grpc::Slice, 2> slices = {grpc::Slice(Head(first, count)),
                                             Lend(numbers_, first, count)};
  return {slices.data(), slices.size()};
}

grpc::ByteBuffer AnchorCopy::WatchedChunk(size_t first) const {
  const size_t count = std::min(kAnchorChunkNumbers, size_ - first);
  const std::string chunk = Head(first, count);
  v1::WatchDeltasResponse response;
  response.set_base_step(step());
  response.set_step(step());
  response.set_next_offset(next_offset());
  response.set_epoch(head_.epoch());
  response.set_anchor_done(first + count == size_);
  std::string bytes = response.SerializeAsString();
  AppendTag(v1::WatchDeltasResponse::kAnchorFieldNumber,
            chunk.size() + count * sizeof(float), &bytes);
  bytes += chunk;
  const std::array<grpc::Slice, 2> slices = {grpc::Slice(bytes),
                                             Lend(numbers_, first, count)};
  return {slices.data(), slices.size()};
}

// An anchor that is being taken. Each turn submits the next.
class AnchorTask : public std::enable_shared_from_this<AnchorTask> {
 public:
  AnchorTask(ServiceContext& context, AnchorRequest request, size_t size)
      : context_(context),
        request_(std::move(request)),
        copy_(new AnchorCopy(size)) {}

  // False: there is no room for it.
  bool Begin() {
    auto room = context_.snapshot_weights.Reserve(copy_->size_);
    if (!room.has_value()) return false;
    copy_->numbers_->room = *std::move(room);
    Submit(std::make_shared<Lane>(), &AnchorTask::Allocate);
    return true;
  }

 private:
  // What done gets; nullopt: another turn goes on.
  using Result = std::optional<absl::StatusOr<SharedAnchor>>;

  void Submit(const std::shared_ptr<Lane>& lane, Result (AnchorTask::*turn)()) {
    context_.pool.Submit(lane, [self = shared_from_this(), turn](Worker&) {
      Result result = CatchOutOfMemory([&] { return (self.get()->*turn)(); });
      // Not where it could be caught: it is called once.
      if (result.has_value()) self->End(*std::move(result));
    });
  }

  Result Allocate() {
    copy_->numbers_->numbers.resize(copy_->size_);
    Submit(request_.session->lane(), &AnchorTask::Copy);
    return std::nullopt;
  }

  // A turn of the session's lane.
  Result Copy() {
    // It may be deleted while its weights are sent.
    const std::shared_ptr<Session> session = std::move(request_.session);
    if (request_.before_copy) status_ = request_.before_copy(*session);
    if (status_.ok()) CopyFrom(*session);
    Submit(std::make_shared<Lane>(), &AnchorTask::Describe);
    return std::nullopt;
  }

  void CopyFrom(Session& session) {
    standing_ = session.standing();
    const Progress& progress = standing_.progress;
    const std::span<const float> weights = session.weights();
    float* const state_begin =
        std::ranges::copy(weights, copy_->numbers_->numbers.data()).out;
    if (copy_->size_ > weights.size()) {
      std::ranges::copy(session.state(), state_begin);
    }
    copy_->head_.set_step(progress.step);
    copy_->head_.set_next_offset(progress.next_offset);
    copy_->head_.set_weight_count(weights.size());
    copy_->head_.set_epoch(session.epoch());
    spec_ = session.spec();
    layout_ = session.layout();
  }

  Result Describe() {
    if (!status_.ok()) return status_;
    v1::GetWeightsResponse& head = copy_->head_;
    head.set_digest(Digest(std::span<const float>(copy_->numbers_->numbers)
                               .first(head.weight_count())));
    if (!spec_->input.mean.empty()) {
      StandardisationToProto(*spec_, head.mutable_standardisation());
    }
    v1::GetWeightsResponse& first = copy_->first_;
    ContinuationToProto(standing_, *spec_, request_.with_state,
                        first.mutable_continuation());
    *first.mutable_spec() = SpecToProto(*spec_, *layout_);
    return SharedAnchor(std::move(copy_));
  }

  void End(absl::StatusOr<SharedAnchor> result) {
    request_.session.reset();
    copy_.reset();
    request_.done(std::move(result));
  }

  ServiceContext& context_;
  AnchorRequest request_;
  std::shared_ptr<AnchorCopy> copy_;
  absl::Status status_;  // before_copy's
  // Of the copy's moment:
  Standing standing_;
  std::shared_ptr<const SessionSpec> spec_;
  std::optional<Layout> layout_;
};

absl::Status TakeAnchor(ServiceContext& context, AnchorRequest request) {
  Session& session = *request.session;
  size_t size = session.layout().weight_count();
  if (request.with_state) size += session.state().size();
  const auto task =
      std::make_shared<AnchorTask>(context, std::move(request), size);
  if (task->Begin()) return absl::OkStatus();
  return OverBudget({.needed = size,
                     .limit = context.snapshot_weights.limit(),
                     .what = "numbers of weights and state on their way",
                     .flags = "--max-total-weights",
                     .field = "session_id"});
}

}  // namespace backprop
