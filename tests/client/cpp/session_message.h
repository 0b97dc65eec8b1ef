// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_CLIENT_CPP_SESSION_MESSAGE_H_
#define BACKPROP_TESTS_CLIENT_CPP_SESSION_MESSAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "backprop/v1/training_service.pb.h"
#include "engine/contract/layout.h"
#include "tests/float_bytes.h"
#include "tests/message_text.h"

namespace backprop::testing {

// What an honest server says of a session with these layers, trained by plain
// descent.
v1::Session SessionMessage(uint32_t input_size,
                           const std::vector<uint32_t>& sizes,
                           uint32_t batch_size = 1);

// The same with gradient factors, which this optimiser makes weight deltas of.
v1::Session WithOptimiser(v1::Session session, const v1::Optimiser& optimiser);
// By the text of a v1::Optimiser.
v1::Session WithOptimiser(const v1::Session& session, const char* optimiser);

// For a response of Train or WatchDeltas.
template <class Response>
void AddDigest(uint64_t step, uint64_t digest, Response* response) {
  v1::StepDigest* added = response->add_digests();
  added->set_step(step);
  added->set_digest(digest);
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_CPP_SESSION_MESSAGE_H_
