// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/cancellation.h"

#include <grpcpp/client_context.h>

namespace backprop {

void Cancellation::Cancel() {
  client::MutexLock lock(mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
}

Cancellation::Scope::Scope(Cancellation* cancellation,
                           grpc::ClientContext* context)
    : cancellation_(cancellation), context_(context) {
  if (cancellation_ == nullptr) return;
  client::MutexLock lock(cancellation_->mutex_);
  cancellation_->contexts_.insert(context_);
  if (cancellation_->cancelled_) context_->TryCancel();
}

Cancellation::Scope::~Scope() {
  if (cancellation_ == nullptr) return;
  client::MutexLock lock(cancellation_->mutex_);
  cancellation_->contexts_.erase(context_);
}

}  // namespace backprop
