// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_STORE_SEED_H_
#define BACKPROP_TESTS_SERVER_STORE_SEED_H_

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace backprop::testing {

// Another one each time, told on standard output; the one in the environment
// variable BACKPROP_TEST_SEED, if there is one.
inline uint64_t TestSeed() {
  const char* const given = std::getenv("BACKPROP_TEST_SEED");
  const uint64_t seed =
      given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "to repeat: BACKPROP_TEST_SEED=" << seed << std::endl;
  return seed;
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_SEED_H_
