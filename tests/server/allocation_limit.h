// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_ALLOCATION_LIMIT_H_
#define BACKPROP_TESTS_SERVER_ALLOCATION_LIMIT_H_

#include <cstddef>

namespace backprop::testing {

// While it lives, operator new fails for whatever is longer than so many bytes,
// in all threads but the one that made it (the client's): a machine without
// memory. One at a time.
class AllocationLimit {
 public:
  explicit AllocationLimit(size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_ALLOCATION_LIMIT_H_
