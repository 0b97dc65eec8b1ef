// SPDX-License-Identifier: Apache-2.0
//
// Ends calls that another thread waits for.
//
//   Cancellation cancellation;
//   a thread:   client.OpenTrain(id, options, &cancellation);
//   another:    cancellation.Cancel();
#ifndef BACKPROP_CLIENT_CPP_CANCELLATION_H_
#define BACKPROP_CLIENT_CPP_CANCELLATION_H_

#include <set>

#include "absl/base/thread_annotations.h"
#include "client/cpp/grpc_types.h"
#include "client/cpp/mutex.h"

namespace backprop {

// Must outlive the calls that it was given to.
class Cancellation {
 public:
  Cancellation() = default;
  // Ends with another one too, which must outlive it; may be null.
  explicit Cancellation(Cancellation* outer);
  ~Cancellation();
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // The calls end with CANCELLED, those that begin later too.
  void Cancel();

  // While this lives, its call can be cancelled. The context must outlive it;
  // cancellation may be null.
  class Scope {
   public:
    Scope(Cancellation* cancellation, grpc::ClientContext* context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Cancellation* const cancellation_;
    grpc::ClientContext* const context_;
  };

 private:
  Cancellation* const outer_ = nullptr;  // its mutex is locked first

  client::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mutex_);
  std::set<Cancellation*> inner_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_CANCELLATION_H_
