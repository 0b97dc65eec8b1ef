// SPDX-License-Identifier: Apache-2.0
//
// The service backprop.v1.TrainingService as C++ calls. What requests and
// answers mean stands in proto/backprop/v1/training_service.proto.
//
//   TrainingClient client("127.0.0.1:50051");  // options.h: TLS, metadata
//   absl::StatusOr<v1::Session> session = client.CreateSession(request);
//   auto stream = client.OpenTrain(session->session_id());
//
// Errors carry the server's code and its field violations (call_status.h).
// Threads: any number may use one client at once.
#ifndef BACKPROP_CLIENT_CPP_TRAINING_CLIENT_H_
#define BACKPROP_CLIENT_CPP_TRAINING_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/anchor.h"
#include "client/cpp/cancellation.h"
#include "client/cpp/grpc_types.h"
#include "client/cpp/options.h"
#include "client/cpp/train_stream.h"
#include "client/cpp/watch_stream.h"

namespace backprop {

struct TrainingStub;

class TrainingClient {
 public:
  // address: host:port. Connects at the first call; files that the options
  // name are read now.
  explicit TrainingClient(const std::string& address,
                          const ClientOptions& options = {});
  // For channels with credentials or arguments of their own.
  explicit TrainingClient(const std::shared_ptr<grpc::Channel>& channel,
                          const ClientOptions& options = {});
  // For tests (training_stub.h).
  explicit TrainingClient(TrainingStub stub, const ClientOptions& options = {});

  absl::StatusOr<v1::Session> CreateSession(
      const v1::CreateSessionRequest& request);
  // Puts a session back where an anchor of it was taken: a new one that goes on
  // as that one did from there (v1.Anchor), step and next_offset included.
  // anchor: from DownloadWeights, with state; UNIMPLEMENTED where it has_more.
  // For another spec, or counts from 0, CreateSession with AnchorMessage's
  // fields changed.
  absl::StatusOr<v1::Session> RestoreSession(const Anchor& anchor);
  absl::StatusOr<v1::Session> GetSession(const std::string& session_id,
                                         Cancellation* cancellation = nullptr);
  // One page.
  absl::StatusOr<v1::ListSessionsResponse> ListSessions(
      const v1::ListSessionsRequest& request);
  absl::Status DeleteSession(const std::string& session_id);
  // New hyperparameters for a live session; the answer says from which step on.
  absl::StatusOr<v1::UpdateSessionResponse> UpdateSession(
      const v1::UpdateSessionRequest& request);
  // A new session from another's present weights, with the same spec. With
  // another spec: CreateSession with `fork` set.
  absl::StatusOr<v1::Session> ForkSession(const v1::Fork& fork);

  // Of a session that is DURABLE: what it is now, under a name. Safe to repeat.
  absl::StatusOr<v1::Checkpoint> CreateCheckpoint(
      const v1::CreateCheckpointRequest& request);
  // One page.
  absl::StatusOr<v1::ListCheckpointsResponse> ListCheckpoints(
      const v1::ListCheckpointsRequest& request);
  absl::StatusOr<v1::Checkpoint> UpdateCheckpoint(
      const v1::UpdateCheckpointRequest& request);
  absl::Status DeleteCheckpoint(const std::string& session_id,
                                const std::string& name);
  // The session is at that checkpoint again, in its next epoch.
  absl::StatusOr<v1::Session> RewindSession(const std::string& session_id,
                                            const std::string& checkpoint);
  // The same with a step that its history has.
  absl::StatusOr<v1::Session> RewindSession(const std::string& session_id,
                                            uint64_t step);

  absl::StatusOr<v1::TrainStepResponse> TrainStep(
      const v1::TrainStepRequest& request);
  absl::StatusOr<v1::PredictResponse> Predict(
      const v1::PredictRequest& request);

  // next_samples fills in the next message's samples (the session's id is set
  // here) and returns false when there are none.
  absl::StatusOr<v1::EvaluateResponse> Evaluate(
      const std::string& session_id,
      const std::function<bool(v1::EvaluateRequest*)>& next_samples);

  // The anchor. with_state: with the optimiser's state, which a Replica and
  // RestoreSession need where layout.state_count is not 0. DATA_LOSS: chunks or
  // digest do not fit.
  absl::StatusOr<Anchor> DownloadWeights(const std::string& session_id,
                                         bool with_state = false,
                                         Cancellation* cancellation = nullptr);

  // Asks for the session, then opens a stream on it. While the stream is open
  // no other stream trains, so DownloadWeights gives the anchor it starts from.
  // cancellation: ends the opening; the open stream has its own Cancel.
  absl::StatusOr<std::unique_ptr<TrainStream>> OpenTrain(
      const std::string& session_id, const v1::TrainOptions& options = {},
      Cancellation* cancellation = nullptr);

  // Opens a stream on a session that was asked for before, in the way that
  // `opening` says (TrainStream::OpenWith).
  absl::StatusOr<std::unique_ptr<TrainStream>> OpenTrainWith(
      const v1::Session& session, v1::TrainRequest opening,
      const SendWindow& window, Cancellation* cancellation = nullptr);

  // Follows a session. What is wrong shows in Next and Finish.
  std::unique_ptr<WatchStream> Watch(const std::string& session_id,
                                     const WatchOptions& options);

  // What the server is, how it computes, and its limits.
  absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo();

  // What it was made with.
  const ClientOptions& options() const { return options_; }

 private:
  absl::StatusOr<v1::Session> RewindSession(
      const v1::RewindSessionRequest& request);

  // A context that carries the metadata.
  std::unique_ptr<grpc::ClientContext> NewContext() const;
  std::unique_ptr<grpc::ClientContext> WithDeadline() const;

  // Constant after construction.
  std::shared_ptr<const TrainingStub> stub_;
  ClientOptions options_;
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_TRAINING_CLIENT_H_
