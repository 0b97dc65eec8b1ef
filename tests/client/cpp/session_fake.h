// SPDX-License-Identifier: Apache-2.0
//
// A session of one weight and one bias as a server would train it, step by
// step, with connections that break and crashes that take steps back where a
// test says so. A step adds its sample to the weight and 1 to the bias, and its
// error is the sample: so what a client was told, and what its replica became,
// can be compared with the samples alone.
#ifndef BACKPROP_TESTS_CLIENT_CPP_SESSION_FAKE_H_
#define BACKPROP_TESTS_CLIENT_CPP_SESSION_FAKE_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "client/cpp/training_client.h"
#include "tests/client/mock_stub.h"

namespace backprop::testing {

// What becomes of one connection.
struct FakeLife {
  // Responses, without the opening's, before it breaks. Not set: it holds.
  std::optional<int> responses = std::nullopt;
  // The status that the opening, or the broken stream, ends with.
  grpc::Status end =
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  bool refuses_opening = false;
  bool hangs = false;  // before its opening is answered, until LetGo
  // At a message with when_durable, until LetGo; then it breaks.
  bool hangs_hurried = false;
  // Messages that are applied when it breaks, their answers lost.
  int applied_unanswered = 0;
  // Likewise responses of the message after those, which is not applied whole.
  int parts_unanswered = 0;
  // The crash that breaks it takes the session back to this offset.
  std::optional<uint64_t> crash_to = std::nullopt;
  // Samples beyond which a message is refused (NON_FINITE_STEP), once.
  std::optional<uint64_t> refuse_at = std::nullopt;
  bool goodbye = false;  // before it breaks
  bool resync = false;   // whatever the replica's position
};

class SessionFake {
 public:
  // lives: of the connections, in their order; those after them hold.
  // durable: what the answers say of it follows what is applied `lag` behind.
  SessionFake(std::vector<FakeLife> lives, bool durable, uint64_t lag = 0);

  v1::Session session() const { return session_; }
  // A client of this session, and of nothing else.
  TrainingClient Client(const SendWindow& window = {});

  // Responses have at most so many steps.
  void set_part(uint64_t part) { part_ = part; }

  // Its input standardisation is learnt from so many samples, which make no
  // steps. To be called before session().
  void set_learn(uint64_t samples);

  // It holds the answers to so many messages, the last ones.
  void set_holds(size_t messages) { holds_ = messages; }

  // Whether any connection hung so far.
  bool hung() const;
  // Lets go of the connections that hang. Whether any did so far.
  bool LetGo();

  // All that was applied is durable, and the open stream is told.
  void TellDurable();

  // What it was trained on, sample after sample.
  std::vector<float> samples() const;
  // Its weights, as whoever adds the deltas one after another has them.
  std::vector<float> weights() const;
  uint64_t epoch() const;
  // The openings that came.
  std::vector<v1::TrainRequest> openings() const;
  // TrainRequest.received_offset of the messages, as they came.
  std::vector<uint64_t> received_offsets() const;
  // Samples that came, in all messages.
  uint64_t samples_received() const;
  // Offsets of the messages that came with when_durable.
  std::vector<uint64_t> hurried() const;
  int anchors() const;  // that were fetched

 private:
  friend class FakeCall;

  // What a message was answered with.
  struct Held {
    v1::TrainRequest request;
    std::deque<v1::TrainResponse> responses;
  };

  // Whether all that was applied of its message is answered there.
  bool Covers(const Held& held) const;
  // Of such a message, which that covers; null: not held.
  const Held* FindHeld(const v1::TrainRequest& request) const;
  void Hold(const v1::TrainRequest& request, const v1::TrainResponse& response);

  uint64_t durable_offset() const;
  uint64_t step() const;
  // The weights after these samples.
  std::vector<float> WeightsAfter(const std::vector<float>& samples) const;
  bool learnt() const;  // a standardisation, which changes nothing
  void Fill(v1::TrainResponse* response) const;
  void Crash(uint64_t offset);

  v1::Session session_;
  const bool durable_;
  uint64_t lag_;
  uint64_t part_ = ~uint64_t{0};
  uint64_t learn_ = 0;
  size_t holds_ = 0;
  std::shared_ptr<MockStub> stub_ = NewMockStub();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<FakeLife> lives_;
  size_t next_life_ = 0;
  std::vector<float> samples_;
  uint64_t epoch_ = 1;
  std::vector<v1::TrainRequest> openings_;
  uint64_t received_ = 0;
  std::vector<uint64_t> hurried_;
  std::vector<uint64_t> received_offsets_;
  std::deque<Held> held_;
  int anchors_ = 0;
  bool news_ = false;
  bool hung_ = false;
  bool let_go_ = false;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_CPP_SESSION_FAKE_H_
