// SPDX-License-Identifier: Apache-2.0
//
// An anchor on its way to a client: a copy of a session's weights, and of its
// optimiser's state if wanted, as they were after one step. GetWeights sends
// one; WatchDeltas sends one whenever deltas alone can't bring its watcher
// forward. Training waits for the copying only, never for the sending.
//
//   TakeAnchor(context, {.session = session, .done = [](auto anchor) {
//     for (size_t at = 0; at < (*anchor)->size(); at += kAnchorChunkNumbers)
//       … (*anchor)->Chunk(at) …
//   }});
#ifndef BACKPROP_SERVER_RPC_ANCHOR_COPY_H_
#define BACKPROP_SERVER_RPC_ANCHOR_COPY_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/sessions/budget.h"

namespace backprop {

// Numbers in a chunk: 256 KiB lie well below gRPC's default receive limit.
inline constexpr size_t kAnchorChunkNumbers = 64 * 1024;

// A copy's numbers and their room in the budget. Whoever holds them last gives
// the room back: the copy, or a chunk of it that gRPC has yet to send, be its
// call long over.
struct ReservedNumbers {
  Budget::Reservation room;
  std::vector<float> numbers;  // freed before the room is given back
};

// Constant once it is made: any thread may read it.
class AnchorCopy {
 public:
  AnchorCopy(const AnchorCopy&) = delete;
  AnchorCopy& operator=(const AnchorCopy&) = delete;

  uint64_t step() const { return head_.step(); }
  uint64_t next_offset() const { return head_.next_offset(); }
  // Numbers in all: the weights, then the state if wanted.
  size_t size() const { return size_; }

  // A serialised v1.GetWeightsResponse with the numbers from `first` on,
  // kAnchorChunkNumbers of them or as many as are left. The numbers are lent,
  // not copied. REQUIRES first < size().
  grpc::ByteBuffer Chunk(size_t first) const;
  // The same within a v1.WatchDeltasResponse.
  grpc::ByteBuffer WatchedChunk(size_t first) const;

 private:
  friend class AnchorTask;
  explicit AnchorCopy(size_t size) : size_(size) {}
  // All of a chunk but the numbers, which follow it.
  std::string Head(size_t first, size_t count) const;

  const size_t size_;
  const std::shared_ptr<ReservedNumbers> numbers_ =  // (size_)
      std::make_shared<ReservedNumbers>();
  v1::GetWeightsResponse head_;   // what all chunks have in common
  v1::GetWeightsResponse first_;  // and the first has besides
};

using SharedAnchor = std::shared_ptr<const AnchorCopy>;

// How an anchor is to be taken.
struct AnchorRequest {
  std::shared_ptr<Session> session;
  bool with_state = false;
  // Called in the turn of the session's lane that copies, just before: what
  // follows the anchor begins here. An error is what done gets. May be empty.
  std::function<absl::Status(Session&)> before_copy;
  // Called once, in a turn that is not the session's, with the copy or with why
  // there is none (before_copy's error, no memory). Must not throw.
  std::function<void(absl::StatusOr<SharedAnchor>)> done;
};

// Takes it in turns of the pool: one that allocates, so that training waits for
// no page of the copy; one of the session's lane that copies; one that computes
// the digest. The session is let go after the second. Fails at once, calling
// neither function, as OverBudget where the copies of all calls together would
// hold more than max_total_weights.
absl::Status TakeAnchor(ServiceContext& context, AnchorRequest request);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_ANCHOR_COPY_H_
