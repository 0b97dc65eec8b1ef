// SPDX-License-Identifier: Apache-2.0
//
// One message of a Train stream on its way through a session: checked whole,
// then trained part by part, each part answered by one response.
#ifndef BACKPROP_SERVER_CALLS_TRAIN_H_
#define BACKPROP_SERVER_CALLS_TRAIN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/ops/metrics.h"
#include "server/sessions/sample_decoder.h"
#include "server/sessions/session.h"

namespace backprop {

// What a stream's answers hold; constant over the stream.
struct AnswerContent {
  v1::DeltaDetail deltas = v1::DELTA_DETAIL_FACTORS;
  bool outputs = false;
};

// Fails with INVALID_REQUEST.
absl::StatusOr<AnswerContent> AnswerContentFromProto(
    const v1::TrainOptions& options, const Layout& layout);

// Used within turns of the session's lane only.
class MessageTrainer {
 public:
  // room: for the answers that the session is to hold. metrics and what room
  // names must outlive the object.
  MessageTrainer(std::shared_ptr<Session> session, const AnswerContent& content,
                 const HeldRoom& room, Metrics& metrics)
      : session_(std::move(session)),
        content_(content),
        held_room_(room),
        metrics_(metrics) {}

  // The message to train on: parse into this, then call Begin. It is read until
  // a response has message_done.
  v1::TrainRequest& request() { return request_; }

  // message_number: as in TrainResponse. parsed: if it is not OK, the message
  // could not be parsed, and is refused with it.
  void Begin(uint64_t message_number,
             const absl::Status& parsed = absl::OkStatus());

  // Learns from or trains on the message's next part, a few milliseconds at
  // most for nets of ordinary size, and fills response (cleared by the caller).
  // Call until message_done. Fails with UNAVAILABLE where the message was
  // applied before, and its held answers can't be read: the stream can't go on.
  absl::Status Next(Worker& worker, v1::TrainResponse* response);

  // The last response as bytes, if the session has been given them to hold, and
  // once; else null.
  std::shared_ptr<const std::string> TakeAnswerBytes() {
    return std::move(answer_bytes_);
  }

  // After message_done, when request() is no longer needed: frees what a large
  // one holds, so that a stream that waits costs little.
  void End();

 private:
  // Sets count_, next_, held_ and skipped_. Nothing is applied if it fails.
  absl::Status Check(const InTurn& at);
  absl::Status LearnPart(Worker& worker, v1::TrainResponse* response);
  absl::Status TrainPart(const SessionSpec& spec, Worker& worker,
                         v1::TrainResponse* response);
  // Steps in one part: bounds a response's size and a turn's length.
  size_t StepsInPart(const SessionSpec& spec) const;
  // What the response is to hold of deltas and outputs lies within it; the rest
  // is the worker's.
  TrainRun PrepareRun(const SessionSpec& spec, size_t steps, Worker& worker,
                      v1::TrainResponse* response) const;
  // steps: of the run, that were applied.
  void FillResponse(const SessionSpec& spec, const TrainRun& run, size_t steps,
                    v1::TrainResponse* response) const;
  // Of a message that names its offset: whether another was applied there. Also
  // gets ready for Remember.
  absl::Status CheckRepeated();
  // After the message's last part.
  void Remember();
  void TellOf(const SessionSpec& spec, const TrainRun& run, size_t steps,
              const TrainOutcome& outcome);
  // Whether the session is to hold answers.
  bool Holds() const { return held_room_.session_bytes > 0; }
  // Lets go of answers that are of no use to the stream.
  void KeepHeld();
  // Where all that was applied of the message has its answers, it is answered
  // with them instead of being skipped.
  void FindHeld();
  // The next of them.
  absl::Status RepeatPart(v1::TrainResponse* response);
  // Of a part that began there.
  void HoldPart(size_t first, const v1::TrainResponse& response);
  // What every response says of its message and of the session as it is.
  void TellPresent(bool message_done, v1::TrainResponse* response) const;
  // status: of the part. Says how far the session is after it.
  void EndPart(const absl::Status& status, v1::TrainResponse* response);
  SampleBytes Samples() const;
  // As it is remembered once it is applied.
  AppliedMessage Identity() const { return {request_.offset(), count_, hash_}; }
  // As its answers are held: to this very request.
  AppliedMessage HeldIdentity() const {
    return {request_.offset(), count_, request_.want_digest() ? ~hash_ : hash_};
  }

  const std::shared_ptr<Session> session_;
  const AnswerContent content_;
  const HeldRoom held_room_;
  Metrics& metrics_;
  v1::TrainRequest request_;
  absl::Status parsed_;  // of request_
  uint64_t message_number_ = 0;
  bool checked_ = false;  // Check has been called for this message
  size_t count_ = 0;      // samples in the message
  size_t next_ = 0;       // first sample not yet learnt from or trained on
  size_t held_ = 0;       // samples at the front whose answers are held
  size_t skipped_ = 0;    // samples at the front applied before, without that
  uint64_t hash_ = 0;     // of the samples, where the message names its offset
  std::shared_ptr<const std::string> answer_bytes_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_TRAIN_H_
