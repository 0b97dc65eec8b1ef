// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/training_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "client/cpp/anchor_download.h"
#include "client/cpp/call_status.h"
#include "client/cpp/connection.h"
#include "client/cpp/training_stub.h"

namespace backprop {
namespace {

// The stub, or one whose calls say what is wrong with the metadata.
TrainingStub Checked(TrainingStub stub, const ClientOptions& options) {
  absl::Status status = CheckMetadata(options.metadata);
  if (status.ok()) return stub;
  return {v1::TrainingService::NewStub(FailingChannel(status))};
}

// As it is sent; nothing where it cannot be.
Metadata Sendable(const Metadata& metadata) {
  if (!CheckMetadata(metadata).ok()) return {};
  Metadata sendable = metadata;
  for (auto& [key, value] : sendable) absl::AsciiStrToLower(&key);
  return sendable;
}

}  // namespace

TrainingClient::TrainingClient(const std::string& address,
                               const ClientOptions& options)
    : TrainingClient(OpenChannel(address, options), options) {}

TrainingClient::TrainingClient(const std::shared_ptr<grpc::Channel>& channel,
                               const ClientOptions& options)
    : TrainingClient(TrainingStub{v1::TrainingService::NewStub(channel)},
                     options) {}

TrainingClient::TrainingClient(TrainingStub stub, const ClientOptions& options)
    : stub_(std::make_shared<const TrainingStub>(
          Checked(std::move(stub), options))),
      options_(options) {
  options_.metadata = Sendable(options.metadata);
}

std::unique_ptr<grpc::ClientContext> TrainingClient::NewContext() const {
  auto context = std::make_unique<grpc::ClientContext>();
  for (const auto& [key, value] : options_.metadata) {
    context->AddMetadata(key, value);
  }
  return context;
}

std::unique_ptr<grpc::ClientContext> TrainingClient::WithDeadline() const {
  auto context = NewContext();
  context->set_deadline(std::chrono::system_clock::now() +
                        options_.call_deadline);
  return context;
}

absl::StatusOr<v1::Session> TrainingClient::CreateSession(
    const v1::CreateSessionRequest& request) {
  v1::CreateSessionResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->CreateSession(WithDeadline().get(), request, &response));
  // Its own refusals have a reason; gRPC's, of a long message, has none.
  if (absl::IsResourceExhausted(status) && ReasonOf(status).empty()) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "%s: the request has %d bytes, and the server takes messages up to its "
        "--max-message-bytes",
        status.message(), request.ByteSizeLong()));
  }
  if (!status.ok()) return status;
  return std::move(*response.mutable_session());
}

absl::StatusOr<v1::Session> TrainingClient::RestoreSession(
    const Anchor& anchor) {
  if (anchor.has_more) {
    return absl::UnimplementedError(
        "the server said more of the session's weights than this client knows, "
        "and it would not go on as it did: a newer client is needed");
  }
  v1::CreateSessionRequest request;
  *request.mutable_spec() = anchor.spec;
  *request.mutable_initial() = AnchorMessage(anchor);
  return CreateSession(request);
}

absl::StatusOr<v1::Session> TrainingClient::GetSession(
    const std::string& session_id, Cancellation* cancellation) {
  const auto context = WithDeadline();
  const Cancellation::Scope scope(cancellation, context.get());
  v1::GetSessionRequest request;
  request.set_session_id(session_id);
  v1::GetSessionResponse response;
  absl::Status status =
      FromGrpc(stub_->calls->GetSession(context.get(), request, &response));
  if (!status.ok()) return status;
  return std::move(*response.mutable_session());
}

absl::StatusOr<v1::ListSessionsResponse> TrainingClient::ListSessions(
    const v1::ListSessionsRequest& request) {
  v1::ListSessionsResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->ListSessions(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::Status TrainingClient::DeleteSession(const std::string& session_id) {
  v1::DeleteSessionRequest request;
  request.set_session_id(session_id);
  v1::DeleteSessionResponse response;
  return FromGrpc(
      stub_->calls->DeleteSession(WithDeadline().get(), request, &response));
}

absl::StatusOr<v1::UpdateSessionResponse> TrainingClient::UpdateSession(
    const v1::UpdateSessionRequest& request) {
  v1::UpdateSessionResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->UpdateSession(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::Session> TrainingClient::ForkSession(const v1::Fork& fork) {
  v1::CreateSessionRequest request;
  *request.mutable_fork() = fork;
  return CreateSession(request);
}

absl::StatusOr<v1::Checkpoint> TrainingClient::CreateCheckpoint(
    const v1::CreateCheckpointRequest& request) {
  v1::CreateCheckpointResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->CreateCheckpoint(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response.checkpoint();
}

absl::StatusOr<v1::ListCheckpointsResponse> TrainingClient::ListCheckpoints(
    const v1::ListCheckpointsRequest& request) {
  v1::ListCheckpointsResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->ListCheckpoints(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::Checkpoint> TrainingClient::UpdateCheckpoint(
    const v1::UpdateCheckpointRequest& request) {
  v1::UpdateCheckpointResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->UpdateCheckpoint(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response.checkpoint();
}

absl::Status TrainingClient::DeleteCheckpoint(const std::string& session_id,
                                              const std::string& name) {
  v1::DeleteCheckpointRequest request;
  request.set_session_id(session_id);
  request.set_name(name);
  v1::DeleteCheckpointResponse response;
  return FromGrpc(
      stub_->calls->DeleteCheckpoint(WithDeadline().get(), request, &response));
}

absl::StatusOr<v1::Session> TrainingClient::RewindSession(
    const std::string& session_id, const std::string& checkpoint) {
  v1::RewindSessionRequest request;
  request.set_session_id(session_id);
  request.set_checkpoint(checkpoint);
  return RewindSession(request);
}

absl::StatusOr<v1::Session> TrainingClient::RewindSession(
    const std::string& session_id, uint64_t step) {
  v1::RewindSessionRequest request;
  request.set_session_id(session_id);
  request.set_step(step);
  return RewindSession(request);
}

absl::StatusOr<v1::Session> TrainingClient::RewindSession(
    const v1::RewindSessionRequest& request) {
  v1::RewindSessionResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->RewindSession(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response.session();
}

absl::StatusOr<v1::TrainStepResponse> TrainingClient::TrainStep(
    const v1::TrainStepRequest& request) {
  v1::TrainStepResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->TrainStep(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::PredictResponse> TrainingClient::Predict(
    const v1::PredictRequest& request) {
  v1::PredictResponse response;
  absl::Status status =
      FromGrpc(stub_->calls->Predict(WithDeadline().get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::EvaluateResponse> TrainingClient::Evaluate(
    const std::string& session_id,
    const std::function<bool(v1::EvaluateRequest*)>& next_samples) {
  const auto context = NewContext();
  v1::EvaluateResponse response;
  auto writer = stub_->calls->Evaluate(context.get(), &response);
  v1::EvaluateRequest request;
  for (bool first = true; next_samples(&request); first = false) {
    if (first) request.set_session_id(session_id);
    // A failed write means that the call ended; Finish says why.
    if (!writer->Write(request)) break;
    request.Clear();
  }
  writer->WritesDone();
  absl::Status status = FromGrpc(writer->Finish());
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<Anchor> TrainingClient::DownloadWeights(
    const std::string& session_id, bool with_state,
    Cancellation* cancellation) {
  const auto context = NewContext();
  const Cancellation::Scope scope(cancellation, context.get());
  v1::GetWeightsRequest request;
  request.set_session_id(session_id);
  request.set_with_state(with_state);
  auto reader = stub_->calls->GetWeights(context.get(), request);
  AnchorDownload download(with_state);
  v1::GetWeightsResponse chunk;
  absl::Status fault;
  while (fault.ok() && reader->Read(&chunk)) fault = download.Add(chunk);
  if (!fault.ok()) context->TryCancel();
  absl::Status status = FromGrpc(reader->Finish());
  if (!fault.ok()) return fault;
  if (!status.ok()) return status;
  return std::move(download).Finish();
}

absl::StatusOr<std::unique_ptr<TrainStream>> TrainingClient::OpenTrain(
    const std::string& session_id, const v1::TrainOptions& options,
    Cancellation* cancellation) {
  absl::StatusOr<v1::Session> session = GetSession(session_id, cancellation);
  if (!session.ok()) return session.status();
  v1::TrainRequest opening;
  *opening.mutable_options() = options;
  return OpenTrainWith(*session, std::move(opening), options_.send_window,
                       cancellation);
}

absl::StatusOr<std::unique_ptr<TrainStream>> TrainingClient::OpenTrainWith(
    const v1::Session& session, v1::TrainRequest opening,
    const SendWindow& window, Cancellation* cancellation) {
  auto context = NewContext();
  std::unique_ptr<TrainStream::Call> call;
  {
    // Waits for the connection.
    const Cancellation::Scope scope(cancellation, context.get());
    call = stub_->calls->Train(context.get());
  }
  return TrainStream::OpenWith(std::move(context), std::move(call), session,
                               std::move(opening), window, cancellation);
}

std::unique_ptr<WatchStream> TrainingClient::Watch(
    const std::string& session_id, const WatchOptions& options) {
  v1::WatchDeltasRequest request;
  request.set_session_id(session_id);
  if (options.after_step.has_value()) {
    request.set_after_step(*options.after_step);
    request.set_epoch(options.epoch);
  }
  request.set_with_anchor(options.with_anchor);
  request.set_with_state(options.with_state);
  auto context = NewContext();
  auto call = stub_->calls->WatchDeltas(context.get(), request);
  return std::make_unique<WatchStream>(std::move(context), std::move(call),
                                       options.with_state);
}

absl::StatusOr<v1::GetServerInfoResponse> TrainingClient::GetServerInfo() {
  v1::GetServerInfoResponse response;
  absl::Status status = FromGrpc(
      stub_->calls->GetServerInfo(WithDeadline().get(), {}, &response));
  if (!status.ok()) return status;
  return response;
}

}  // namespace backprop
