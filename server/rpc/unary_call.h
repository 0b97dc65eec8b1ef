// SPDX-License-Identifier: Apache-2.0
//
// Unary calls: answered within the reaction if they only look something up,
// else in turns of the compute pool.
#ifndef BACKPROP_SERVER_RPC_UNARY_CALL_H_
#define BACKPROP_SERVER_RPC_UNARY_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/service_context.h"
#include "server/sessions/compute_pool.h"

namespace backprop {

// What a call does on the pool.
struct Work {
  std::shared_ptr<Lane> lane;  // null: a lane of its own
  // At most, more or less; room for so many is had before the work begins.
  size_t answer_bytes = 0;
  // Called in turns of the lane, nothing else of the lane between them, until
  // it returns the call's status.
  std::function<std::optional<absl::Status>(Worker&)> part;
  // Of the request: what makes the answer so long.
  std::string_view answer_field = "session_id";
};

// Admits the call, runs body here, counts, finishes. answer: what body fills.
grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context, const char* method,
                                    const grpc::ByteBuffer& answer,
                                    const std::function<absl::Status()>& body);

// The same for body(request, response), between the bytes. Requests longer than
// kLongestSmallRequest are refused.
template <typename Request, typename Response, typename Body>
grpc::ServerUnaryReactor* AnswerBytesNow(ServiceContext& context,
                                         const char* method,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response,
                                         Body body) {
  return AnswerNow(context, method, *response, [&] {
    grpc::ByteBuffer bytes = *request;
    Request parsed;
    absl::Status status = ParseSmall(&bytes, &parsed);
    if (!status.ok()) return status;
    Response answer;
    status = body(parsed, &answer);
    if (status.ok()) *response = Serialize(answer);
    return status;
  });
}

// Admits the call, asks open what to do, and does that on the pool. open runs
// here if the request's length is small, else in a turn. sent_bytes: of the
// answer, asked once the work is done well. A call that the client has given up
// is not gone on with. Refused with QUEUE_LIMIT when too many wait, or too much
// has been answered that is not sent yet.
grpc::ServerUnaryReactor* AnswerInTurns(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const char* method, size_t request_bytes,
    std::function<absl::StatusOr<Work>()> open,
    std::function<size_t()> sent_bytes);

// The same between the bytes. plan(request, response) says what to do; its work
// may use both messages for as long as it lasts.
template <typename Request, typename Response, typename Plan>
grpc::ServerUnaryReactor* AnswerBytes(ServiceContext& context,
                                      grpc::CallbackServerContext* rpc,
                                      const char* method,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response, Plan plan) {
  struct Messages {
    Request request;
    Response response;
  };
  const auto messages = std::make_shared<Messages>();
  return AnswerInTurns(
      context, rpc, method, request->Length(),
      [=, plan = std::move(plan)]() -> absl::StatusOr<Work> {
        grpc::ByteBuffer bytes = *request;
        const absl::Status parsed = Parse(&bytes, &messages->request);
        if (!parsed.ok()) return parsed;
        absl::StatusOr<Work> work =
            plan(messages->request, &messages->response);
        if (!work.ok()) return work;
        auto part = std::move(work->part);
        work->part = [=, part = std::move(part)](Worker& worker) {
          std::optional<absl::Status> status = part(worker);
          if (status && status->ok()) {
            *response = Serialize(messages->response);
          }
          return status;
        };
        return work;
      },
      [response] { return response->Length(); });
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_UNARY_CALL_H_
