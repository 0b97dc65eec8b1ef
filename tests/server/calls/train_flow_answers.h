// SPDX-License-Identifier: Apache-2.0
//
// The answers of a modelled Train stream, numbered as they are made, on their
// way: held back, in the outbox, being written.
#ifndef BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_ANSWERS_H_
#define BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_ANSWERS_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backprop::testing {

inline constexpr size_t kAnswerLength = 100;
inline constexpr size_t kGoodbyeLength = 1;
inline constexpr size_t kNewsLength = 2;

// Answers merged into one, the goodbye, or news of what is durable.
struct AnswerRange {
  int first = 0;
  int last = 0;
  bool goodbye = false;
  bool news = false;
  int until = 0;  // so many commits have to be before it is written

  size_t length() const {
    return goodbye ? kGoodbyeLength : news ? kNewsLength : kAnswerLength;
  }
};

class AnswersOnTheirWay {
 public:
  int made() const { return made_; }
  bool held() const { return held_.has_value(); }
  bool writing() const { return outgoing_.has_value(); }
  bool queued() const { return !outbox_.empty(); }
  bool all_written() const { return written_ == made_; }
  bool goodbye_written() const { return goodbye_; }

  // One more is made, and queued ...
  void Queue(int until) {
    ++made_;
    outbox_.push_back({made_, made_, false, false, until});
  }
  // ... or held back, where nothing is, ...
  void Hold(int until) {
    ++made_;
    held_ = {made_, made_, false, false, until};
  }
  // ... or merged with what is held back.
  void Merge(int until) {
    held_->last = ++made_;
    if (until != 0) held_->until = until;
  }
  bool held_waits() const { return held_->until != 0; }

  // How many of those queued, the first, need not wait after so many commits.
  size_t Ready(int commits) const {
    size_t ready = 0;
    while (ready < outbox_.size() && outbox_[ready].until <= commits) ++ready;
    return ready;
  }
  bool waits(int commits) const {
    return Ready(commits) < outbox_.size() || (held_ && held_->until > commits);
  }

  // What is held back was never made.
  void LoseHeld() { made_ = std::exchange(held_, std::nullopt)->first - 1; }

  void QueueHeld() { outbox_.push_back(*std::exchange(held_, std::nullopt)); }
  void QueueGoodbye() { outbox_.push_back({made_, made_, true}); }
  void QueueNews() { outbox_.push_back({made_, made_, false, true}); }

  void BeginWrite() {
    outgoing_ = outbox_.front();
    outbox_.pop_front();
  }

  // Returns what was written; *in_order: whether it follows what was before it.
  AnswerRange EndWrite(bool* in_order) {
    const AnswerRange range = *std::exchange(outgoing_, std::nullopt);
    *in_order = range.goodbye || range.news ? range.last == written_
                                            : range.first == written_ + 1;
    written_ = range.last;
    goodbye_ |= range.goodbye;
    return range;
  }

  size_t bytes() const {  // but for what is held back
    size_t sum = outgoing_ ? outgoing_->length() : 0;
    for (const AnswerRange& range : outbox_) sum += range.length();
    return sum;
  }

  std::string Key() const {
    std::string key = absl::StrCat(made_, " ", written_, goodbye_);
    for (const AnswerRange& range : outbox_) AppendTo(&key, " o", range);
    if (held_) AppendTo(&key, " h", *held_);
    if (outgoing_) AppendTo(&key, " w", *outgoing_);
    return key;
  }

 private:
  static void AppendTo(std::string* key, const char* what,
                       const AnswerRange& range) {
    absl::StrAppend(key, what, range.first, "-", range.last,
                    range.goodbye ? "g"
                    : range.news  ? "n"
                                  : "",
                    "u", range.until);
  }

  int made_ = 0;
  int written_ = 0;  // the last that was
  bool goodbye_ = false;
  std::optional<AnswerRange> held_;
  std::deque<AnswerRange> outbox_;
  std::optional<AnswerRange> outgoing_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_CALLS_TRAIN_FLOW_ANSWERS_H_
