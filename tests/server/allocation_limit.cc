// SPDX-License-Identifier: Apache-2.0
#include "tests/server/allocation_limit.h"

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

std::atomic<size_t> most_bytes = std::numeric_limits<size_t>::max();
thread_local bool is_exempt = false;

}  // namespace

void* operator new(size_t bytes) {
  void* const memory = bytes <= most_bytes || is_exempt
                           ? std::malloc(bytes == 0 ? 1 : bytes)
                           : nullptr;
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return bytes <= most_bytes || is_exempt ? std::malloc(bytes == 0 ? 1 : bytes)
                                          : nullptr;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace backprop::testing {

AllocationLimit::AllocationLimit(size_t bytes) {
  is_exempt = true;
  most_bytes = bytes;
}

AllocationLimit::~AllocationLimit() {
  most_bytes = std::numeric_limits<size_t>::max();
  is_exempt = false;
}

}  // namespace backprop::testing
