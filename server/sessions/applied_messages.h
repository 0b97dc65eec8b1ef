// SPDX-License-Identifier: Apache-2.0
//
// What the last messages held that a session was trained on, as far as it takes
// to find out that a client which repeats one sends other samples under its
// offset. In memory only.
#ifndef BACKPROP_SERVER_SESSIONS_APPLIED_MESSAGES_H_
#define BACKPROP_SERVER_SESSIONS_APPLIED_MESSAGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace backprop {

struct AppliedMessage {
  uint64_t offset = 0;  // of its first sample
  uint64_t count = 0;   // of its samples
  uint64_t hash = 0;    // of their bytes

  friend bool operator==(const AppliedMessage&,
                         const AppliedMessage&) = default;
};

class AppliedMessages {
 public:
  static constexpr size_t kMost = 64;

  // Whether one that began there and was as long held something else. False
  // where none is known.
  bool Differ(const AppliedMessage& message) const;

  // Has memory for the next Add, which can't fail then.
  void MakeRoom() { all_.reserve(kMost + 1); }
  // One that has been applied whole. What began there or later is forgotten.
  void Add(const AppliedMessage& message);

 private:
  std::vector<AppliedMessage> all_;  // by offset
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_APPLIED_MESSAGES_H_
