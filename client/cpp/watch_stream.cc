// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/watch_stream.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <utility>

#include "client/cpp/call_status.h"

namespace backprop {

WatchStream::WatchStream(std::unique_ptr<grpc::ClientContext> context,
                         std::unique_ptr<Call> call, bool with_state)
    : context_(std::move(context)),
      call_(std::move(call)),
      with_state_(with_state) {}

WatchStream::~WatchStream() {
  if (finished_) return;
  context_->TryCancel();
  call_->Finish();
}

void WatchStream::Cancel() { context_->TryCancel(); }

bool WatchStream::Next(v1::WatchDeltasResponse* response) {
  // Nothing comes after a last word.
  if (end_ != WatchEnd::kNone || !fault_.ok() || !call_->Read(response)) {
    return false;
  }
  anchor_.reset();
  fault_ = TakeChunk(*response);
  if (!fault_.ok()) return false;
  if (response->resync()) {
    end_ = WatchEnd::kResync;
  } else if (response->session_deleted()) {
    end_ = WatchEnd::kSessionDeleted;
  } else if (response->goodbye()) {
    end_ = WatchEnd::kGoodbye;
  }
  return true;
}

absl::Status WatchStream::TakeChunk(const v1::WatchDeltasResponse& response) {
  if (!response.has_anchor()) {
    if (coming_.has_value() && response.step() != response.base_step()) {
      return absl::DataLossError(
          "deltas came before the anchor was whole: watch again");
    }
    return absl::OkStatus();
  }
  if (!coming_.has_value()) coming_.emplace(with_state_);
  absl::Status status = coming_->Add(response.anchor());
  if (!status.ok() || !response.anchor_done()) return status;
  absl::StatusOr<Anchor> whole = std::move(*coming_).Finish();
  coming_.reset();
  if (whole.ok()) anchor_ = *std::move(whole);
  return whole.status();
}

std::optional<Anchor> WatchStream::TakeAnchor() {
  return std::exchange(anchor_, std::nullopt);
}

absl::Status WatchStream::Finish() {
  finished_ = true;
  if (end_ != WatchEnd::kNone || !fault_.ok()) {
    // The server ends the call by itself; Finish may not wait for one that
    // does not.
    context_->TryCancel();
    call_->Finish();
    return fault_;
  }
  absl::Status status = FromGrpc(call_->Finish());
  return status.ok() ? absl::UnavailableError(
                           "the server ended the watch and did not say why")
                     : status;
}

}  // namespace backprop
