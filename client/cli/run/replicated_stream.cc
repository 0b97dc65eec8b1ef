// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/replicated_stream.h"

#include "absl/strings/str_cat.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {

absl::StatusOr<ReplicatedStream> ReplicatedStream::Open(
    TrainingClient& client, const v1::Session& session, bool with_replica,
    Cancellation* cancellation) {
  v1::TrainOptions options;
  options.set_deltas(with_replica ? v1::DELTA_DETAIL_FACTORS
                                  : v1::DELTA_DETAIL_NONE);
  auto stream = client.OpenTrain(session.session_id(), options, cancellation);
  if (!stream.ok()) return stream.status();
  ReplicatedStream opened(*std::move(stream));
  if (!with_replica) return opened;
  // The open stream keeps other writers out, so this is its anchor.
  absl::StatusOr<Anchor> anchor = client.DownloadWeights(
      session.session_id(), /*with_state=*/true, cancellation);
  if (!anchor.ok()) return anchor.status();
  absl::StatusOr<Replica> replica =
      Replica::Create(session, *std::move(anchor));
  if (!replica.ok()) return replica.status();
  opened.replica_ = *std::move(replica);
  return opened;
}

absl::Status ReplicatedStream::Take(const TrainAnswer& answer) {
  const v1::TrainResponse& response = answer.response;
  if (replica_.has_value()) {
    absl::Status status =
        replica_->Apply(response, answer.inputs, answer.detail);
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("replica: ", status.message()));
    }
  }
  return response.has_rejection() ? FromRejection(response.rejection())
                                  : absl::OkStatus();
}

void ReplicatedStream::Abandon() {
  stream_->Cancel();
  TrainAnswer rest;
  while (stream_->Next(&rest)) {
  }
}

}  // namespace backprop::cli
