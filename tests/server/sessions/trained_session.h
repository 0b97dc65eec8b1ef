// SPDX-License-Identifier: Apache-2.0
//
// Small sessions without a server, and their training within a turn.
#ifndef BACKPROP_TESTS_SERVER_SESSIONS_TRAINED_SESSION_H_
#define BACKPROP_TESTS_SERVER_SESSIONS_TRAINED_SESSION_H_

#include <memory>
#include <random>

#include "server/sessions/session.h"
#include "server/sessions/worker.h"

namespace backprop::testing {

// 20-30-4, tanh within: of one sample a step by plain descent, ...
SessionSpec SmallSpec();
// ... with momentum, with Adam, ...
SessionSpec MomentumSpec();
SessionSpec AdamSpec();
// ... and in steps of 40 samples, whose layers are DENSE.
SessionSpec DenseSpec();
// 1024-1030 with momentum: an image of 8.4 MB.
SessionSpec LargeSpec();

Layout LayoutOf(const SessionSpec& spec);
std::shared_ptr<DeltaFeed> NoFeed();

// Hears what it is told, and does nothing.
class IdleWriter : public Writer {
 public:
  void HearOfReplacement() override {}
  void HearOfDurable() override {}
};

void FillWeights(Session& session);

// So many steps, told to the session's journal. In its turn.
void TrainOnRandom(Session& session, Worker& worker, size_t steps,
                   std::mt19937& random);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_SESSIONS_TRAINED_SESSION_H_
