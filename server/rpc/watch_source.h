// SPDX-License-Identifier: Apache-2.0
//
// What a watcher is sent next: its first response, the chunks of an anchor,
// pieces of the session's feed, in this order.
#ifndef BACKPROP_SERVER_RPC_WATCH_SOURCE_H_
#define BACKPROP_SERVER_RPC_WATCH_SOURCE_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/watch_deltas.h"
#include "server/rpc/anchor_copy.h"
#include "server/sessions/budget.h"
#include "server/sessions/delta_feed.h"

namespace backprop {

// Under the lock of the stream that owns it.
class WatchSource {
 public:
  enum class Found {
    kMessage,
    kNothing,  // not yet: the feed will tell
    kBehind,   // what comes next can't be had as deltas
    kClosed,   // the session is gone, and all its pieces have been sent
  };

  // room: for pieces that are being sent; must outlive the object.
  explicit WatchSource(Budget& room) : room_(room) {}

  // First: whose pieces are sent. Not the session: it may be deleted, and its
  // room given to others, while a watcher is slow.
  void Follow(std::shared_ptr<DeltaFeed> feed) { feed_ = std::move(feed); }
  bool follows() const { return feed_ != nullptr; }
  // Last; also where it never followed one.
  void Unfollow(const DeltaReader* reader);

  // Pieces come from this place on, which follows `step`, and first this.
  void Begin(uint64_t place, uint64_t step, grpc::ByteBuffer first);
  // Pieces will come from this place on, once the anchor that begins there has.
  void MoveTo(uint64_t place) { place_ = place; }
  void SendAnchor(SharedAnchor anchor);

  // What comes next, in *message where there is such. Written is called when it
  // has been sent, and before this is called again. Fails where memory is
  // short.
  absl::StatusOr<Found> Next(grpc::ByteBuffer* message);
  void Written();

  // Whether the first response is still to be sent.
  bool at_first() const { return first_.Valid(); }
  // The stream's last response.
  v1::WatchDeltasResponse Last(WatchEnd why) const;

 private:
  Found NextPiece(grpc::ByteBuffer* message);

  Budget& room_;
  std::shared_ptr<DeltaFeed> feed_;
  grpc::ByteBuffer first_;
  SharedAnchor anchor_;
  size_t next_number_ = 0;        // of anchor_: the first not yet sent
  uint64_t place_ = 0;            // in the feed: the next piece
  uint64_t step_ = 0;             // after what was sent
  Budget::Reservation borrowed_;  // by the piece that is being sent
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_WATCH_SOURCE_H_
