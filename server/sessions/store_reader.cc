// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/store_reader.h"

#include <utility>

namespace backprop {

StoreReader::StoreReader(Store& store)
    : store_(store), thread_([this] { Run(); }) {}

StoreReader::~StoreReader() { Stop(); }

void StoreReader::Read(Job job) {
  MutexLock lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.NotifyAll();
}

void StoreReader::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void StoreReader::Run() {
  while (true) {
    Job job;
    {
      MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) changed_.Wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(store_);
  }
}

}  // namespace backprop
