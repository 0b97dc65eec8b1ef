// SPDX-License-Identifier: Apache-2.0
//
// The skeleton of a stream that a drain can tell to end: Train's and
// WatchDeltas'. Events come on any thread and at the same time: gRPC's
// reactions, turns of the pool, the drain. Each is one Update: it changes the
// state under the lock, the state decides what is to be started, and that is
// begun without the lock, as it may take a system call.
//
//   void OnWriteDone(bool ok) noexcept override {
//     Update([this, ok]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
//       flow_.WriteDone(ok);
//     });
//   }
//
// Knows no gRPC: what kind of reactor it is comes as a parameter, so that a
// test can put threads of its own in gRPC's place.
#ifndef BACKPROP_SERVER_RPC_STREAM_SHELL_H_
#define BACKPROP_SERVER_RPC_STREAM_SHELL_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "server/rpc/open_streams.h"
#include "server/threads/mutex.h"

namespace backprop {

// Reactor: gRPC's, which calls OnCancel and, as the last, OnDone. Start: what
// is to be started, with Anything(): something that is not the end.
//
// Held by a shared_ptr from the start; from Open to OnDone `streams` has one,
// so that it lives as long as gRPC refers to it.
template <class Reactor, class Start>
class StreamShell
    : public Reactor,
      public OpenStream,
      public std::enable_shared_from_this<StreamShell<Reactor, Start>> {
 public:
  // The stream may be told to end from here on, and hears its events.
  void Open() { streams_.Add(this->shared_from_this()); }

  void SayGoodbye() final {
    Update([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { Leave(); });
  }

  void OnCancel() noexcept final {
    Update([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { Cancel(); });
  }

  void OnDone() noexcept final {
    Close();
    streams_.Remove(this->shared_from_this());
  }

 protected:
  // streams must outlive the stream.
  explicit StreamShell(OpenStreams& streams) : streams_(streams) {}

  // Changes the state, then starts what can be started.
  template <typename Change>
  void Update(Change change) {
    // The end lets OnDone drop the last other reference.
    const auto self = this->weak_from_this().lock();
    Start start;
    {
      MutexLock lock(mutex_);
      change();
      start = Decide();
    }
    while (true) {
      Perform(start);
      if (!start.Anything()) return;
      MutexLock lock(mutex_);
      --starting_;
      start = Decide();
    }
  }

  Mutex mutex_;

 private:
  // The server drains.
  virtual void Leave() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // The client is gone.
  virtual void Cancel() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // What to start. may_end: nobody is still starting what was decided before,
  // so that nothing can be started after the end.
  virtual Start Next(bool may_end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // Starts it. The lock is not held, and what was decided stays true: whatever
  // start says counts as under way.
  virtual void Perform(const Start& start) = 0;
  // gRPC is done with the stream.
  virtual void Close() = 0;

  Start Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Start start = Next(starting_ == 0);
    if (start.Anything()) ++starting_;
    return start;
  }

  OpenStreams& streams_;
  int starting_ ABSL_GUARDED_BY(mutex_) = 0;  // threads that start something
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_STREAM_SHELL_H_
