// SPDX-License-Identifier: Apache-2.0
//
// Unary calls: answered within the reaction if they only look something up,
// else in turns of the compute pool.
#ifndef BACKPROP_SERVER_SERVICE_UNARY_H_
#define BACKPROP_SERVER_SERVICE_UNARY_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/compute_pool.h"
#include "server/rejection.h"
#include "server/service_bytes.h"
#include "server/service_call.h"

namespace backprop {

// What a call does on the pool.
struct Work {
  std::shared_ptr<Lane> lane;  // null: a lane of its own
  // Called in turns of the lane, nothing else of the lane between them, until
  // it returns the call's status.
  std::function<std::optional<absl::Status>(Worker&)> part;
};

// Admits the call, runs body here, counts, finishes.
grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context,
                                    grpc::CallbackServerContext* rpc,
                                    const char* method,
                                    const std::function<absl::Status()>& body);

// Admits the call, asks open what to do, and does that on the pool. open runs
// here if the request's length is small, else in a turn. A call that the client
// has given up is not gone on with. Refused with QUEUE_LIMIT when too many
// wait.
grpc::ServerUnaryReactor* AnswerInTurns(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const char* method, size_t request_bytes,
    std::function<absl::StatusOr<Work>()> open);

// The same for a method taken raw. plan(request, response) says what to do; its
// work may use both messages for as long as it lasts.
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
        if (!Parse(&bytes, &messages->request)) {
          return InvalidField(Request::descriptor()->name(),
                              "the message can't be parsed");
        }
        absl::StatusOr<Work> work =
            plan(messages->request, &messages->response);
        if (!work.ok()) return work;
        return Work{work->lane,
                    [=, part = std::move(work->part)](Worker& worker) {
                      std::optional<absl::Status> status = part(worker);
                      if (status && status->ok()) {
                        *response = Serialize(messages->response);
                      }
                      return status;
                    }};
      });
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_SERVICE_UNARY_H_
