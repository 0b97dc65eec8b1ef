// SPDX-License-Identifier: Apache-2.0
//
// A Train stream that goes on when its connection breaks or its server is
// started anew: exactly once, and with a replica that goes on with it.
//
//   ResumingTrainOptions options;
//   options.with_replica = true;
//   options.on_resume = [](const Resumption& r) { … };
//   auto stream = ResumingTrainStream::Open(client, *session, options);
//
// From there on it is used as a TrainStream is (train_stream.h): Send and
// CloseSending in one thread, Next and Finish in another or the same.
//
// What was sent is kept until it is answered, and of a DURABLE session until
// that is durable. When the stream breaks, Next opens another one in its place,
// with backoff, in the same session's epoch or in a later one, and sends again
// what the session has not. Each message is answered to the user once:
// - what was answered already, taken back by a crash and trained again is not
//   given out a second time;
// - of what was applied though its answers were lost with the connection the
//   user gets those, where the server still holds them
//   (TrainOptions.hold_answers, which is asked for); else no errors, but an
//   answer all the same: it counts as skipped_samples.
// The replica, kept here, is at the step of the answer that Next gave out last;
// where its steps were taken back, or deltas lost, it begins anew from an
// anchor, and is where the session is.
//
// A stream whose place another client took (TrainRequest.takeover) ends with
// WRITER_REPLACED. Where it did not read, the server cancelled it: it then
// tries to go on without taking the session over, and while the other one
// trains it meets SESSION_HAS_WRITER, with which it ends in the end.
//
// A session in memory only ends with its server: it is taken up again where the
// connection alone was lost.
//
// An opening that is not answered within ClientOptions.call_deadline is
// UNAVAILABLE, and tried again, but the first.
//
// A message that is refused (TrainResponse.rejection) moves the offset that
// follows to where the refusal says the session is. Messages that were sent
// before the refusal was read lie beyond that and are refused too, OFFSET_GAP.
//
// An answer may be to nothing: durable_news, with how far the session is
// durable.
#ifndef BACKPROP_CLIENT_CPP_RESUMING_TRAIN_STREAM_H_
#define BACKPROP_CLIENT_CPP_RESUMING_TRAIN_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/backoff.h"
#include "client/cpp/cancellation.h"
#include "client/cpp/lost_answers.h"
#include "client/cpp/mutex.h"
#include "client/cpp/replica.h"
#include "client/cpp/sample_ledger.h"
#include "client/cpp/train_stream.h"
#include "client/cpp/training_client.h"

namespace backprop {

// How a stream went on.
struct Resumption {
  absl::Status cause;  // how the stream before it ended
  // The session's when the last answer came, and when the new stream was
  // opened. Another epoch: the session was loaded from the store meanwhile.
  uint64_t epoch_before = 0;
  uint64_t epoch = 0;
  uint64_t step_before = 0;
  uint64_t step = 0;
  uint64_t samples_resent = 0;    // all that was sent again
  uint64_t samples_repeated = 0;  // of them: answered before, then taken back
  bool replica_anchored = false;  // the replica began anew from an anchor
};

struct ResumingTrainOptions {
  // What the answers hold; `coalesce` is not asked for, hold_answers is.
  v1::TrainOptions train;
  // Keeps a replica: needs DELTA_DETAIL_FACTORS.
  bool with_replica = false;
  // Bytes of samples that are kept for being sent again, 384 for each message
  // added to its numbers (SampleLedger::kMessageBytes); Send waits while there
  // are so many, but always lets one message through. The message with which
  // more than half of it was sent since one with when_durable is sent with that
  // too, so that the server commits before Durability.max_lag is over. More
  // goes further ahead of a slow disk.
  size_t ledger_bytes = size_t{256} << 20;
  RetryPolicy retry;
  // Called in Next, before what the new stream brings is given out.
  std::function<void(const Resumption&)> on_resume;
  // Called in Next when the stream has broken and will be opened anew.
  std::function<void(const absl::Status&)> on_break;
  // Asked in Next, at least each 50 ms while the stream is opened anew, the
  // waits before that among it: true ends that, and the stream as it broke. Not
  // set: never. It may call the stream.
  std::function<bool()> give_up;
  // Null: the machine's.
  std::shared_ptr<RetryClock> clock;
  std::function<double()> jitter;
};

class ResumingTrainStream {
 public:
  // client must outlive the stream. session: as the server described it.
  // cancellation: of the opening; may be null. What fails then is not tried
  // again.
  static absl::StatusOr<std::unique_ptr<ResumingTrainStream>> Open(
      TrainingClient& client, const v1::Session& session,
      const ResumingTrainOptions& options,
      Cancellation* cancellation = nullptr);

  // Cancels if it has not ended. No other call may be running.
  ~ResumingTrainStream();
  ResumingTrainStream(const ResumingTrainStream&) = delete;
  ResumingTrainStream& operator=(const ResumingTrainStream&) = delete;

  // Takes the message, whose offset is given here. Blocks while the window or
  // the ledger is full, or the connection takes no more. False: the stream has
  // ended; the reader gets to know why.
  bool Send(v1::TrainRequest request);
  // No more samples; the server answers what it has and ends the stream. That
  // the answers are there does not make them durable: neither this nor Finish
  // waits for it, unless the last message was sent with when_durable.
  void CloseSending();
  // Whether Send would wait for an answer, or for durable_news, first.
  bool WindowFull() const;

  // Blocks for the next answer, also while the stream is opened anew. False:
  // the stream has ended; call Finish.
  bool Next(TrainAnswer* answer);
  // How the stream ended; call it after Next returned false. The last error
  // where going on was not possible in time; DATA_LOSS where the session has
  // lost samples that are not kept here any more, or where its replica differs.
  absl::Status Finish();

  // Ends everything at once, from any thread.
  void Cancel();

  // The reader's; null without.
  const Replica* replica() const {
    return replica_.has_value() ? &*replica_ : nullptr;
  }
  // The session's epoch. The reader's.
  uint64_t epoch() const { return epoch_; }
  // Samples yet to come that input standardisation will be learnt from: the
  // next ones sent. The reader's.
  uint64_t samples_to_learn() const;

 private:
  // A message to be written, or the end of them where there is none.
  struct Writing {
    std::shared_ptr<TrainStream> stream;
    std::shared_ptr<const v1::TrainRequest> request;
  };

  ResumingTrainStream(TrainingClient& client, const v1::Session& session,
                      const ResumingTrainOptions& options, size_t row_bytes,
                      std::unique_ptr<TrainStream> stream);

  bool FullFor(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The messages are written by one thread at a time: who finds others unsent
  // when it is done writes them too.
  void WriteUnsent();
  bool BeginWriting();
  bool NextWriting(Writing* writing);

  absl::Status MakeReplica(Cancellation* cancellation);
  // Applies the response to the replica, unless that knows it, and gives it to
  // the ledger.
  absl::StatusOr<bool> Take(TrainAnswer* answer, bool replica_knows);
  bool TakeMade(TrainAnswer* answer);  // if one is due
  bool TakeRegained(TrainAnswer* answer);
  bool End(absl::Status why);
  // Whether everything was sent, answered and closed.
  bool InGoodOrder(const absl::Status& finished) const;
  bool MayResume(const absl::Status& why) const;

  // Whether the stream that broke was more than a failed attempt.
  bool HasLasted() const;
  // Opens streams until one goes on; not OK: none did.
  absl::Status Resume(const absl::Status& cause);
  // False: it is not to go on.
  bool WaitFor(RetryClock::TimePoint moment);
  bool GivenUp() const { return options_.give_up && options_.give_up(); }
  // ResumeOnce, which is cancelled when it is given up.
  absl::Status Attempt(Resumption* resumption);
  // Opens another stream where that which ended as resumption->cause says was.
  absl::Status ResumeOnce(Resumption* resumption);
  // What to ask for again on a stream with that opening.
  std::vector<LostAnswer> LostAnswers(const v1::TrainResponse& opening) const;
  absl::StatusOr<RegainedAnswers> Regain(TrainStream& stream,
                                         const std::vector<LostAnswer>& lost);
  // Whether the replica has to begin anew to be where the session is.
  bool NeedsAnchor(const v1::TrainResponse& opening,
                   const RegainedAnswers& regained) const;
  // Brings it to that step, where the session is.
  absl::Status AnchorReplica(uint64_t step);
  // asked: messages that were sent on the stream.
  absl::Status GoOn(std::shared_ptr<TrainStream> stream, size_t asked,
                    Resumption* resumption);
  v1::TrainRequest Opening(bool takeover) const;

  // Constant after construction.
  TrainingClient& client_;
  const v1::Session session_;
  const ResumingTrainOptions options_;
  const SendWindow window_;
  const bool durable_;
  const uint64_t learn_end_;  // 0: nothing is to be learnt

  Cancellation reopening_;

  mutable client::Mutex mutex_;
  client::CondVar changed_;
  SampleLedger ledger_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<TrainStream> stream_ ABSL_GUARDED_BY(mutex_);
  bool writable_ ABSL_GUARDED_BY(mutex_) = true;  // stream_ is not known broken
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;  // some thread writes
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;  // CloseSending was called
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;   // ... and passed to stream_
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // Next said false

  // The reader's.
  std::shared_ptr<TrainStream> reading_;  // the same as stream_
  std::optional<Replica> replica_;
  std::deque<TrainAnswer> made_;  // SampleLedger::Resent's, not given out yet
  RegainedAnswers regained_;      // what is not given out yet
  Backoff backoff_;
  RetryClock::TimePoint opened_;  // when reading_ was
  uint64_t epoch_ = 0;
  uint64_t step_ = 0;  // of the last answer
  absl::Status end_;   // how it ended
  std::thread resender_;
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_RESUMING_TRAIN_STREAM_H_
