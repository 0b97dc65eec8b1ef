// SPDX-License-Identifier: Apache-2.0
//
// One open WatchDeltas call: each step of a session as it happens.
//
//   absl::StatusOr<Weights> anchor = client.DownloadWeights(id, with_state);
//   absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
//   auto watch = client.Watch(id, anchor.step);
//   v1::WatchDeltasResponse response;
//   while (watch->Next(&response)) replica->Apply(response);
//   absl::Status status = watch->Finish();
//   if (watch->end() == WatchEnd::kResync) …  from a new anchor, again
//
// Threads: one may call Next and Finish; Cancel from any.
#ifndef BACKPROP_CLIENT_CPP_WATCH_STREAM_H_
#define BACKPROP_CLIENT_CPP_WATCH_STREAM_H_

#include <memory>

#include "absl/status/status.h"
#include "backprop/v1/training_service.grpc.pb.h"
#include "grpcpp/client_context.h"

namespace backprop {

// Why the server ended a watch.
enum class WatchEnd {
  kNone,            // it gave no reason: see Finish
  kResync,          // this watcher fell behind: go on from a new anchor
  kSessionDeleted,  // there is nothing to watch any more
  kGoodbye,         // the server shuts down: watch again when it is back
};

class WatchStream {
 public:
  using Call = grpc::ClientReaderInterface<v1::WatchDeltasResponse>;

  // context, call: fresh, from the stub.
  WatchStream(std::unique_ptr<grpc::ClientContext> context,
              std::unique_ptr<Call> call);

  // Cancels the call if Finish was not called.
  ~WatchStream();
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  // Blocks for the next response; the first comes at once. False: the stream
  // has ended; call Finish. The server's last word, which says why it ends,
  // comes as a response too.
  bool Next(v1::WatchDeltasResponse* response);
  // How the stream ended; call it after Next returned false. OK where end()
  // gives a reason; UNAVAILABLE if the stream ended without one.
  absl::Status Finish();
  // The reason given by the responses so far.
  WatchEnd end() const { return end_; }

  // Ends the call at once; Finish then says CANCELLED.
  void Cancel() { context_->TryCancel(); }

 private:
  // Constant after construction.
  const std::unique_ptr<grpc::ClientContext> context_;
  const std::unique_ptr<Call> call_;

  WatchEnd end_ = WatchEnd::kNone;
  bool finished_ = false;
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_WATCH_STREAM_H_
