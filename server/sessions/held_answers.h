// SPDX-License-Identifier: Apache-2.0
//
// Answers that a session's writer may not have got: what it would be told again
// if it sent the same messages again. In memory only, within a bound, the
// oldest are let go of first. All sessions' together are within another: where
// others have too much of that, a session's own oldest make room. What an
// answer is made of is its owner's matter; here it is bytes.
#ifndef BACKPROP_SERVER_SESSIONS_HELD_ANSWERS_H_
#define BACKPROP_SERVER_SESSIONS_HELD_ANSWERS_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "server/sessions/applied_messages.h"
#include "server/sessions/budget.h"

namespace backprop {

struct HeldAnswer {
  AppliedMessage message = {};  // that it answers, or a part of that
  uint64_t next_offset = 0;     // of the first sample behind those it is about
  std::shared_ptr<const std::string> bytes = {};  // never null
};

// What answers may take.
struct HeldRoom {
  size_t session_bytes = 0;  // one session's; 0: none are held
  Budget* all = nullptr;     // in bytes, of all sessions; null: without a bound
};

// The turn's, but for bytes() and last_use().
class HeldAnswers {
 public:
  // What an answer takes beside its bytes, about: its place here and what the
  // allocator adds to both.
  static constexpr size_t kAnswerBytes = 224;

  using Time = std::chrono::system_clock::time_point;

  // A writer has asked, or may ask from here on, for what is of this kind. What
  // is of another is let go of.
  void Use(uint64_t kind, Time now);

  // An answer about samples from first_offset on, of that kind. What was held
  // from there on is forgotten. One that takes more than there is room for is
  // not held.
  void Add(uint64_t first_offset, HeldAnswer answer, const HeldRoom& room);

  // Lets go of answers that are about samples before that alone.
  void DropBefore(uint64_t offset);
  void Clear();

  // Whether all samples of the message before `end` have their answers here,
  // which are to this very message.
  bool Cover(const AppliedMessage& message, uint64_t end) const;
  // The answer that begins there, which Cover has found.
  const HeldAnswer& At(uint64_t first_offset) const {
    return all_.at(first_offset).answer;
  }

  // Any thread: what they take, and when they were last of use.
  size_t bytes() const { return bytes_; }
  Time last_use() const { return last_use_; }

 private:
  struct Held {
    HeldAnswer answer;
    Budget::Reservation room;
  };
  using Answers = std::map<uint64_t, Held>;  // by their first offset

  void Drop(Answers::iterator answer);
  // Of the budget, for so many bytes; the oldest are dropped until there is.
  std::optional<Budget::Reservation> MakeRoom(size_t bytes, Budget* all);

  Answers all_;
  uint64_t kind_ = 0;
  std::atomic<size_t> bytes_ = 0;
  std::atomic<Time> last_use_ = Time();
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_HELD_ANSWERS_H_
