// SPDX-License-Identifier: Apache-2.0
//
// Answers that a session's writer may not have got: what it would be told again
// if it sent the same messages again. In memory only, within a bound, the
// oldest are let go of first. What an answer is made of is its owner's matter;
// here it is bytes.
#ifndef BACKPROP_SERVER_SESSIONS_HELD_ANSWERS_H_
#define BACKPROP_SERVER_SESSIONS_HELD_ANSWERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "server/sessions/applied_messages.h"

namespace backprop {

struct HeldAnswer {
  AppliedMessage message;    // that it answers, or a part of that
  uint64_t next_offset = 0;  // of the first sample behind those it is about
  std::string bytes;
};

// The turn's, but for bytes().
class HeldAnswers {
 public:
  // What an answer takes beside its bytes, about: its place here and what the
  // allocator adds to both.
  static constexpr size_t kAnswerBytes = 160;

  // What is held from here on is of this kind. What is of another is let go of.
  void SetKind(uint64_t kind);

  // An answer about samples from first_offset on, of that kind. What was held
  // from there on is forgotten. Most: that all of them may take; an answer that
  // takes more by itself is not held.
  void Add(uint64_t first_offset, HeldAnswer answer, size_t most_bytes);

  // Lets go of answers that are about samples before that alone.
  void DropBefore(uint64_t offset);
  void Clear();

  // Whether all samples of the message before `end` have their answers here,
  // which are to this very message.
  bool Cover(const AppliedMessage& message, uint64_t end) const;
  // The answer that begins there, which Cover has found.
  const HeldAnswer& At(uint64_t first_offset) const {
    return all_.at(first_offset);
  }

  // That they take. Any thread.
  size_t bytes() const { return bytes_; }

 private:
  using Answers = std::map<uint64_t, HeldAnswer>;  // by their first offset

  void Drop(Answers::iterator answer);

  Answers all_;
  uint64_t kind_ = 0;
  std::atomic<size_t> bytes_ = 0;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_HELD_ANSWERS_H_
