// SPDX-License-Identifier: Apache-2.0
//
// The thread that reads from the store while the server serves, for those who
// must not wait for a disk: turns of the compute pool and gRPC's threads.
//
//   reader.Read([id, done](Store& store) { done(store.Load(id)); });
#ifndef BACKPROP_SERVER_SESSIONS_STORE_READER_H_
#define BACKPROP_SERVER_SESSIONS_STORE_READER_H_

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/store/store.h"
#include "server/threads/mutex.h"

namespace backprop {

class StoreReader {
 public:
  // Must not throw. May call Read. What takes more than a few milliseconds
  // beside the disk's time is better done elsewhere: the next job waits.
  using Job = std::function<void(Store&)>;

  // store must outlive the object.
  explicit StoreReader(Store& store);
  // As Stop.
  ~StoreReader();
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;

  // Runs the job soon, one after the other in the order of these calls. Any
  // thread.
  void Read(Job job);

  // The same, not before so much time has passed.
  void ReadLater(std::chrono::milliseconds delay, Job job);

  // Joins the thread when it has run all jobs, those for later at once; nothing
  // may be read any more.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  // Waits for it. Null: the thread is to end.
  Job NextJob();

  Store& store_;

  Mutex mutex_;
  CondVar changed_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  std::multimap<Clock::time_point, Job> later_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // last, as it uses the rest
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_STORE_READER_H_
