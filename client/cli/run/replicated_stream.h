// SPDX-License-Identifier: Apache-2.0
//
// A Train stream with the replica that its answers keep current.
#ifndef BACKPROP_CLIENT_CLI_RUN_REPLICATED_STREAM_H_
#define BACKPROP_CLIENT_CLI_RUN_REPLICATED_STREAM_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/replica.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

class ReplicatedStream {
 public:
  // Opens the stream and, if with_replica, downloads the anchor; without, the
  // server sends no deltas. cancellation: of the opening; may be null.
  static absl::StatusOr<ReplicatedStream> Open(
      TrainingClient& client, const v1::Session& session, bool with_replica,
      Cancellation* cancellation = nullptr);

  TrainStream& stream() const { return *stream_; }
  // Null without.
  const Replica* replica() const {
    return replica_.has_value() ? &*replica_ : nullptr;
  }

  // Applies an answer that was read. Fails as Replica::Apply does, or with what
  // the server refused.
  absl::Status Take(const TrainAnswer& answer);

  // Cancels the stream and reads what is left of it, which wakes a writer that
  // waits for the window. By the thread that reads.
  void Abandon();

 private:
  explicit ReplicatedStream(std::unique_ptr<TrainStream> stream)
      : stream_(std::move(stream)) {}

  std::unique_ptr<TrainStream> stream_;
  std::optional<Replica> replica_;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_REPLICATED_STREAM_H_
