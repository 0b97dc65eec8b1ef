// SPDX-License-Identifier: Apache-2.0
//
// One open Train call: samples out, errors and weight deltas back.
//
//   writer thread                       reader thread
//     while (more)                        TrainAnswer answer;
//       if (!stream.Send(next)) break;    while (stream.Next(&answer)) …
//     stream.CloseSending();              absl::Status status =
//     stream.Finish();
//
// Threads: one may call Send and CloseSending, one other Next and Finish;
// Cancel from any. A single thread may do both if it calls Next whenever
// WindowFull().
//
// Memory: what was sent is kept until it is answered (the replica needs the
// inputs), so Send blocks while the send-ahead window is full.
#ifndef BACKPROP_CLIENT_CPP_TRAIN_STREAM_H_
#define BACKPROP_CLIENT_CPP_TRAIN_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/cancellation.h"
#include "client/cpp/grpc_types.h"
#include "client/cpp/mutex.h"
#include "client/cpp/options.h"

namespace backprop {

// One response, with what the client knows about it.
struct TrainAnswer {
  v1::TrainResponse response;
  // The request it answers, the last of them with TrainOptions.coalesce; null
  // for a response that answers none: a goodbye, or durable_news.
  std::shared_ptr<const v1::TrainRequest> request;
  // The input rows of the samples whose steps the response holds: what
  // Replica::Apply wants. They lie within *request or *joined. Samples that
  // input standardisation was learnt from are not among them.
  std::string_view inputs;
  // Of several requests, one after the other; null if there is one.
  std::shared_ptr<const std::string> joined;
  // How the response tells the deltas: as the stream was opened.
  v1::DeltaDetail detail = v1::DELTA_DETAIL_FACTORS;
};

class TrainStream {
 public:
  using Call =
      grpc::ClientReaderWriterInterface<v1::TrainRequest, v1::TrainResponse>;

  // Opens the stream on session.session_id() and waits for the server's word.
  // context, call: fresh, from the stub. session: the server's answer.
  // options: what the answers shall hold. cancellation: of the opening.
  static absl::StatusOr<std::unique_ptr<TrainStream>> Open(
      std::unique_ptr<grpc::ClientContext> context, std::unique_ptr<Call> call,
      const v1::Session& session, const v1::TrainOptions& options,
      const SendWindow& window, Cancellation* cancellation = nullptr);
  // The same with all that the opening may say: options, replica, takeover. Its
  // session_id is filled in.
  static absl::StatusOr<std::unique_ptr<TrainStream>> OpenWith(
      std::unique_ptr<grpc::ClientContext> context, std::unique_ptr<Call> call,
      const v1::Session& session, v1::TrainRequest opening,
      const SendWindow& window, Cancellation* cancellation = nullptr);

  // Cancels the call if Finish was not called. No other call may be running.
  ~TrainStream();
  TrainStream(const TrainStream&) = delete;
  TrainStream& operator=(const TrainStream&) = delete;

  // Blocks while the window is full or the connection takes no more. False:
  // the stream has ended; the reader gets to know why.
  bool Send(v1::TrainRequest request);
  // The same of a request that the caller keeps too.
  bool Send(const std::shared_ptr<const v1::TrainRequest>& request);
  // No more samples; the server answers what it has and ends the stream.
  void CloseSending();
  // Whether Send would wait for an answer first.
  bool WindowFull() const;

  // Blocks for the next response. False: the stream has ended; call Finish.
  // A rejection comes as a response: look at answer->response.rejection().
  bool Next(TrainAnswer* answer);
  // How the stream ended; call it after Next returned false. Not OK also if
  // the server left (UNAVAILABLE; with the reason SHUTTING_DOWN if it said
  // goodbye) or broke the protocol (INTERNAL).
  absl::Status Finish();

  // Ends the call at once. The server sees that a moment later: until then it
  // may refuse the session's next stream with SESSION_HAS_WRITER, and its
  // deletion with SESSION_BUSY; try again. CloseSending leaves no such moment.
  void Cancel();
  // While the scope lives, the cancellation ends the call too; it may be null.
  Cancellation::Scope CancelledBy(Cancellation* cancellation) {
    return {cancellation, context_.get()};
  }

  // The server's answer to the opening: the session's epoch, whether the
  // replica has to begin anew, and so on.
  const v1::TrainResponse& opening() const { return opening_; }
  // The session's step when the stream was opened, ...
  uint64_t opening_step() const { return opening_.step(); }
  // ... and the offset that the first sample will have.
  uint64_t opening_offset() const { return opening_.next_offset(); }
  // Samples yet to come that input standardisation will be learnt from: the
  // next ones sent. The reader's.
  uint64_t samples_to_learn() const { return learn_end_ - learnt_to_; }

 private:
  // A request that is not answered to its end.
  struct Unanswered {
    uint64_t number = 0;
    size_t bytes = 0;
    size_t input_bytes_answered = 0;
    std::shared_ptr<const v1::TrainRequest> request;
  };

  TrainStream(std::unique_ptr<grpc::ClientContext> context,
              std::unique_ptr<Call> call, size_t sample_bytes,
              size_t batch_size, v1::DeltaDetail detail,
              const SendWindow& window);

  absl::Status ReadOpening(const v1::Session& session);

  bool FullFor(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Finds the request that `answer` belongs to and its inputs. Not OK: the
  // server broke the protocol.
  absl::Status Match(TrainAnswer* answer);
  // The same of a response that answers several.
  absl::Status MatchSeveral(TrainAnswer* answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Passes over the samples of the oldest request that a response skipped, and
  // those that standardisation was learnt from.
  absl::Status PassOver(const v1::TrainResponse& response, Unanswered* oldest);
  bool EndReading(absl::Status why);

  // Constant after construction; the call takes a writer and a reader at once.
  const std::unique_ptr<grpc::ClientContext> context_;
  const std::unique_ptr<Call> call_;
  const size_t sample_bytes_;
  const size_t batch_size_;
  const v1::DeltaDetail detail_;
  const SendWindow window_;
  v1::TrainResponse opening_;

  mutable client::Mutex mutex_;
  client::CondVar changed_;
  std::deque<Unanswered> unanswered_ ABSL_GUARDED_BY(mutex_);
  size_t unanswered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // Next said false

  // The writer's.
  uint64_t next_number_ = 1;

  // The reader's.
  // Samples with offsets in [learnt_to_, learn_end_) are still to be learnt
  // from; both are 0 where there is nothing to learn.
  uint64_t learnt_to_ = 0;
  uint64_t learn_end_ = 0;
  absl::Status fault_;  // what this side found wrong
  bool goodbye_ = false;
  bool finished_ = false;
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_TRAIN_STREAM_H_
