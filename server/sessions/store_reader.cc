// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/store_reader.h"

#include <utility>

#include "server/sessions/out_of_memory.h"

namespace backprop {

StoreReader::StoreReader(Store& store)
    : store_(store), thread_([this] { Run(); }) {}

StoreReader::~StoreReader() { Stop(); }

void StoreReader::Read(Job job) {
  MutexLock lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.NotifyAll();
}

void StoreReader::ReadLater(std::chrono::milliseconds delay, Job job) {
  MutexLock lock(mutex_);
  later_.emplace(Clock::now() + delay, std::move(job));
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
  while (const Job job = NextJob()) {
    CatchOutOfMemory([&] { job(store_); }).IgnoreError();
  }
}

StoreReader::Job StoreReader::NextJob() {
  MutexLock lock(mutex_);
  while (true) {
    if (!later_.empty() &&
        (stopping_ || later_.begin()->first <= Clock::now())) {
      return std::move(later_.extract(later_.begin()).mapped());
    }
    if (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      return job;
    }
    if (stopping_) return nullptr;
    if (later_.empty()) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitUntil(mutex_, later_.begin()->first);
    }
  }
}

}  // namespace backprop
