// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/watch_stream.h"

#include <utility>

#include "client/cpp/call_status.h"

namespace backprop {

WatchStream::WatchStream(std::unique_ptr<grpc::ClientContext> context,
                         std::unique_ptr<Call> call)
    : context_(std::move(context)), call_(std::move(call)) {}

WatchStream::~WatchStream() {
  if (finished_) return;
  context_->TryCancel();
  call_->Finish();
}

bool WatchStream::Next(v1::WatchDeltasResponse* response) {
  // Nothing comes after a last word.
  if (end_ != WatchEnd::kNone || !call_->Read(response)) return false;
  if (response->resync())
    end_ = WatchEnd::kResync;
  else if (response->session_deleted())
    end_ = WatchEnd::kSessionDeleted;
  else if (response->goodbye())
    end_ = WatchEnd::kGoodbye;
  return true;
}

absl::Status WatchStream::Finish() {
  finished_ = true;
  if (end_ != WatchEnd::kNone) {
    // The server ends the call by itself; Finish may not wait for one that
    // does not.
    context_->TryCancel();
    call_->Finish();
    return absl::OkStatus();
  }
  absl::Status status = FromGrpc(call_->Finish());
  return status.ok() ? absl::UnavailableError(
                           "the server ended the watch and did not say why")
                     : status;
}

}  // namespace backprop
