// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/cancellation.h"

#include <grpcpp/client_context.h>

namespace backprop {

Cancellation::Cancellation(Cancellation* outer) : outer_(outer) {
  if (outer_ == nullptr) return;
  client::MutexLock lock(outer_->mutex_);
  outer_->inner_.insert(this);
  if (outer_->cancelled_) Cancel();
}

Cancellation::~Cancellation() {
  if (outer_ == nullptr) return;
  client::MutexLock lock(outer_->mutex_);
  outer_->inner_.erase(this);
}

void Cancellation::Cancel() {
  client::MutexLock lock(mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
  for (Cancellation* inner : inner_) inner->Cancel();
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
