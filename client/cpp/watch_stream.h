// SPDX-License-Identifier: Apache-2.0
//
// One open WatchDeltas call: each step of a session as it happens. To keep a
// replica current:
//
//   auto watch = client.Watch(id, {.with_anchor = true, .with_state = true});
//   std::optional<Replica> replica;
//   v1::WatchDeltasResponse response;
//   while (watch->Next(&response)) {
//     std::optional<Anchor> anchor = watch->TakeAnchor();
//     if (anchor.has_value() && !replica.has_value())
//       replica = Replica::Create(session, *std::move(anchor)) …
//     else if (anchor.has_value())  // it had fallen behind
//       status = replica->Restart(*std::move(anchor));
//     else if (replica.has_value())
//       status = replica->Apply(response);
//   }
//   absl::Status status = watch->Finish();
//
// Threads: one may call Next and Finish; Cancel from any.
#ifndef BACKPROP_CLIENT_CPP_WATCH_STREAM_H_
#define BACKPROP_CLIENT_CPP_WATCH_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/anchor.h"
#include "client/cpp/anchor_download.h"
#include "client/cpp/grpc_types.h"

namespace backprop {

// How a session is to be watched (WatchDeltasRequest).
struct WatchOptions {
  // The step that the watcher's weights are at. Not set: begin with an anchor
  // if with_anchor is set, else at the session's present step.
  std::optional<uint64_t> after_step = std::nullopt;
  // The epoch that it is of (WatchDeltasResponse.epoch); 0 is taken for 1.
  uint64_t epoch = 0;
  // Anchors come where deltas alone can't bring the watcher forward.
  bool with_anchor = false;
  // They bring the optimiser's state along, which a Replica needs where
  // layout.state_count is not 0.
  bool with_state = false;
};

// Why the server ended a watch.
enum class WatchEnd {
  kNone,            // it gave no reason: see Finish
  kResync,          // this watcher, without anchors, fell behind
  kSessionDeleted,  // there is nothing to watch any more
  kGoodbye,         // the server shuts down: watch again when it is back
};

class WatchStream {
 public:
  using Call = grpc::ClientReaderInterface<v1::WatchDeltasResponse>;

  // context, call: fresh, from the stub. with_state: what was asked for.
  WatchStream(std::unique_ptr<grpc::ClientContext> context,
              std::unique_ptr<Call> call, bool with_state = false);

  // Cancels the call if Finish was not called.
  ~WatchStream();
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  // Blocks for the next response; the first comes at once. False: the stream
  // has ended; call Finish. The server's last word, which says why it ends,
  // comes as a response too, and so does each chunk of an anchor.
  bool Next(v1::WatchDeltasResponse* response);
  // The anchor that the last response completed, once; the next response's
  // deltas go on from it. Most responses complete none.
  std::optional<Anchor> TakeAnchor();
  // How the stream ended; call it after Next returned false. OK where end()
  // gives a reason; UNAVAILABLE if the stream ended without one; DATA_LOSS if
  // an anchor's chunks or digest did not fit.
  absl::Status Finish();
  // The reason given by the responses so far.
  WatchEnd end() const { return end_; }

  // Ends the call at once; Finish then says CANCELLED.
  void Cancel();

 private:
  // Adds the chunk to the anchor that is coming.
  absl::Status TakeChunk(const v1::WatchDeltasResponse& response);

  // Constant after construction.
  const std::unique_ptr<grpc::ClientContext> context_;
  const std::unique_ptr<Call> call_;
  const bool with_state_;

  std::optional<AnchorDownload> coming_;  // an anchor that is not whole yet
  std::optional<Anchor> anchor_;          // whole, and not yet taken
  absl::Status fault_;                    // of what came
  WatchEnd end_ = WatchEnd::kNone;
  bool finished_ = false;
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_WATCH_STREAM_H_
