// SPDX-License-Identifier: Apache-2.0
//
// Everything that may happen to a Train stream, in every order: a walk through
// all states that TrainFlow and a world around it can come to. The world is a
// client that sends an opening and some messages, and may go away; a transport
// that reads and writes when it likes; a pool that runs turns; threads that
// carry out what they were told to start, one operation after the other, while
// others bring the next event; a drain; another stream that takes this one's
// place. Each step is checked against what the
// stream promises.
#ifndef BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_MODEL_H_
#define BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_MODEL_H_

#include <cstddef>
#include <string>
#include <vector>

namespace backprop::testing {

// Which worlds are walked through.
struct FlowWorld {
  int messages = 2;          // with samples
  int parts = 2;             // of a message, at most
  size_t most_queued = 300;  // one message fills the inbox
  size_t far_ahead = 8;      // so many messages that wait: never
  bool coalesce = false;
  bool refused = false;      // the server doesn't admit the stream
  bool bad_opening = false;  // the first message is
  bool failures = false;     // memory may be short, once
  bool client_may_go = true;
  bool may_drain = true;
  bool may_be_replaced = false;  // by another stream
  bool may_stall = false;        // once, as the store falls behind
  int commits = 0;               // of which the stream wants to hear
  bool when_durable = false;     // each message is to be answered then
};

struct FlowWalk {
  size_t states = 0;
  size_t ends = 0;  // states in which nothing can happen any more
  // What was broken first, and what had happened before; empty: nothing.
  std::string broken;
  std::vector<std::string> path;
};

FlowWalk WalkThrough(const FlowWorld& world);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_MODEL_H_
