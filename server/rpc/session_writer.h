// SPDX-License-Identifier: Apache-2.0
//
// A Train stream as its session's writer: what it does with messages that have
// been read, and with what answers.
#ifndef BACKPROP_SERVER_RPC_SESSION_WRITER_H_
#define BACKPROP_SERVER_RPC_SESSION_WRITER_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/train.h"
#include "server/calls/train_flow.h"
#include "server/sessions/session.h"

namespace backprop {

// Nobody's yet until Open. From then on until Close what is called before the
// turns is constant; turns, one at a time, call Answer and EndMessage.
class SessionWriter {
 public:
  // context must outlive the object.
  explicit SessionWriter(ServiceContext& context) : context_(context) {}

  // With the stream's first message, which it empties. stream: as which the
  // session knows it. Fails with INVALID_REQUEST, SESSION_NOT_FOUND or
  // SESSION_HAS_WRITER.
  absl::Status Open(grpc::ByteBuffer* first,
                    const std::shared_ptr<Writer>& stream);

  // The next stream may have the session. Nothing is trained after that.
  void LetGo(const Writer& stream) { session_->DetachWriter(stream); }

  // After LetGo, if it was opened: frees all.
  void Close();

  const std::shared_ptr<Lane>& lane() const { return session_->lane(); }
  bool coalesces() const { return coalesces_; }  // TrainOptions.coalesce
  bool tells_durable() const { return tells_durable_; }  // likewise
  size_t scalar_count() const { return scalar_count_; }

  // Does a part of a turn, and fills *response, which is empty. message: what
  // Part::kNextMessage begins with; is emptied. Fails as MessageTrainer::Next.
  absl::Status Answer(TrainFlow::Part part, grpc::ByteBuffer* message,
                      Worker& worker, v1::TrainResponse* response);
  // Once after that: the response as it is sent, unless the stream coalesces.
  std::optional<grpc::ByteBuffer> TakeBytes(const v1::TrainResponse& response);
  // After the last part of a message, or the opening's, in the same turn.
  // Returns how far the session has to be durable before that is answered;
  // nothing where that does not matter.
  std::optional<Progress> EndMessage();

  // As Session::MayTrain.
  bool MayTrain() const { return session_->MayTrain(); }
  Progress durable() const { return session_->durable(); }
  // Nothing that it does will ever be durable.
  bool is_lost() const { return session_->lost(); }
  // What has been done until now is to be committed soon. heard: called when
  // it has been, or could not be; from any thread, or at once.
  void HurryCommit(std::function<void()> heard) const;

  // As DurableNews (train_opening.h).
  std::optional<v1::TrainResponse> News(const v1::TrainResponse& last) const;

  // The stream's last response. Not while a turn is under way.
  v1::TrainResponse Goodbye() const;

 private:
  ServiceContext& context_;
  std::shared_ptr<Session> session_;
  bool coalesces_ = false;
  bool tells_durable_ = false;
  bool resync_ = false;      // of the opening's answer
  size_t scalar_count_ = 0;  // of the session's layout

  // Owned by the turn under way.
  std::optional<MessageTrainer> trainer_;
  uint64_t messages_ = 0;  // with samples, begun
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_SESSION_WRITER_H_
