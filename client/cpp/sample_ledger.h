// SPDX-License-Identifier: Apache-2.0
//
// For ResumingTrainStream alone: what was sent to a session and may have to be
// sent again, without any networking.
//
// Each message of samples has an offset. It is kept until it is answered and,
// where the session is durable, until that is durable. When a stream breaks,
// the next one's opening names the session's offset. Before it everything was
// applied, though some answers may be lost: those messages are sent again as
// they were, where the server may still hold the answers. From it on everything
// is sent again: what was not applied, and what was applied and answered but
// taken back by a crash (a repeat). Repeats come in messages of their own, so
// that no answer is about samples of both kinds.
//
// Threads: as a plain value.
#ifndef BACKPROP_CLIENT_CPP_SAMPLE_LEDGER_H_
#define BACKPROP_CLIENT_CPP_SAMPLE_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/lost_answers.h"
#include "client/cpp/train_stream.h"

namespace backprop {

// Bytes of the numbers that a message holds.
size_t SampleBytes(const v1::TrainRequest& request);

class SampleLedger {
 public:
  // What a message weighs beside its numbers, about: its protobuf, its places
  // here and what the allocator adds to them.
  static constexpr size_t kMessageBytes = 384;

  // What a new stream begins with.
  struct Resent {
    // Answers that this side has to make itself, in order: to messages that
    // were applied though their answers are lost, and to those that are
    // refused. Each is due once its message is before awaited().
    std::deque<TrainAnswer> made;
    uint64_t samples = 0;   // that are to be sent again
    uint64_t repeated = 0;  // of them: answered before
  };

  // row_bytes: of one sample's inputs. durable: whether the session is.
  // detail: of the answers. next_offset: of the first sample. hurry_bytes: so
  // many that are added have the server asked to hurry.
  SampleLedger(size_t row_bytes, bool durable, v1::DeltaDetail detail,
               uint64_t next_offset, size_t hurry_bytes);

  // Gives the message its offset and keeps it, to be sent. The one with which
  // more than hurry_bytes were added, kMessageBytes each among them, since one
  // that is answered when it is durable is to be answered so too
  // (TrainRequest.when_durable): the server commits then, and sooner than
  // Durability.max_lag says.
  void Add(v1::TrainRequest request);
  // The next message to be sent on the present stream; null: none.
  std::shared_ptr<const v1::TrainRequest> TakeUnsent();

  // Takes a response of the present stream and makes it the user's answer: its
  // message numbers become those of the messages that were added. False: it is
  // not for the user, who has had the answer. Not OK: the server refused
  // what it had applied before, or broke the protocol.
  absl::StatusOr<bool> Take(v1::TrainResponse* response);

  // What to ask for again of a session that is there, in the epoch of the last
  // answer: in order, the messages from the first that was not answered to its
  // end, as they were sent last.
  std::vector<LostAnswer> Lost(uint64_t next_offset) const;

  // Another stream was opened with this response, and so many of what Lost said
  // were sent on it; their answers come to Take, as if they came from there.
  // DATA_LOSS: the session is behind what is kept. FAILED_PRECONDITION: it is
  // beyond what was sent, so somebody else trained it.
  absl::StatusOr<Resent> Resume(const v1::TrainResponse& opening,
                                size_t asked = 0);

  // Messages without their last answer, and their bytes.
  size_t unanswered() const { return unanswered_; }
  size_t unanswered_bytes() const { return unanswered_bytes_; }
  // Of all messages that are kept, kMessageBytes each among them.
  size_t bytes() const { return bytes_; }
  bool empty() const { return entries_.empty(); }
  // SampleBytes of the last message that was added; 0: none is kept.
  size_t last_bytes() const {
    return entries_.empty() ? 0 : entries_.back().bytes;
  }
  bool has_unsent() const { return !unsent_.empty(); }
  // Number of the first message that the present stream has to answer to the
  // user; of the next one to be added, if it has to answer none.
  uint64_t awaited() const;
  // Up to here the user has answers.
  uint64_t answered_offset() const { return answered_offset_; }

 private:
  // A message that is kept. Its samples have the offsets [begin, end).
  struct Entry {
    uint64_t number = 0;
    uint64_t begin = 0;
    uint64_t end = 0;       // a refusal moves it back to what was applied
    uint64_t answered = 0;  // the offset up to which the user has answers
    // It was sent from this offset on last. The server holds its answers to
    // that, and to that alone it gives them again.
    uint64_t sent_from = 0;
    uint64_t lost = 0;   // samples that were applied, their answers lost
    bool done = false;   // the user has its last answer
    bool stray = false;  // sent beyond a message that was refused
    size_t bytes = 0;
    std::shared_ptr<const v1::TrainRequest> request;
  };
  // A message, or a part of it, as it is sent on the present stream.
  struct Piece {
    uint64_t number = 0;  // its entry's
    uint64_t begin = 0;
    uint64_t end = 0;
    bool repeat = false;
    std::shared_ptr<const v1::TrainRequest> request;
  };

  Entry& EntryOf(uint64_t number);
  // The first message that is not answered to its end begins there.
  uint64_t ReceivedOffset();
  absl::Status CheckOffset(uint64_t offset) const;
  // The part of the entry's request with these offsets.
  std::shared_ptr<const v1::TrainRequest> PartOf(const Entry& entry,
                                                 uint64_t begin,
                                                 uint64_t end) const;
  // The entry was sent on the present stream already, as the last time.
  void Asked(const Entry& entry, Resent* resent);
  void ResumeEntry(const v1::TrainResponse& opening, Entry* entry,
                   Resent* resent);
  void Repeat(const Entry& entry, uint64_t begin, uint64_t end, Resent* resent);
  // What is not answered of it.
  void SendRest(Entry* entry, Resent* resent);
  TrainAnswer MadeAnswer(const v1::TrainResponse& opening,
                         const Entry& entry) const;
  void Refuse(const v1::TrainResponse& response, Entry* entry);
  void Finish(Entry* entry);
  void NoteDurable(const v1::TrainResponse& response);
  void Forget();

  // Constant after construction.
  const size_t row_bytes_;
  const bool durable_;
  const v1::DeltaDetail detail_;
  const size_t hurry_bytes_;

  std::deque<Entry> entries_;  // their numbers follow on each other
  std::deque<Piece> unsent_;
  std::deque<Piece>
      sent_;  // on the present stream, and not answered to the end
  uint64_t next_number_ = 1;
  uint64_t next_offset_;
  uint64_t answered_offset_;
  uint64_t durable_offset_ = 0;
  size_t unanswered_ = 0;
  size_t unanswered_bytes_ = 0;
  size_t bytes_ = 0;
  size_t unhurried_bytes_ = 0;  // added since a message with when_durable
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_SAMPLE_LEDGER_H_
