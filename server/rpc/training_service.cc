// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/training_service.h"

#include <google/protobuf/descriptor.h>

#include <functional>
#include <string>

#include "backprop/v1/training_service.grpc.pb.h"
#include "server/calls/create_checkpoint.h"
#include "server/calls/create_session.h"
#include "server/calls/delete_checkpoint.h"
#include "server/calls/delete_session.h"
#include "server/calls/get_server_info.h"
#include "server/calls/get_session.h"
#include "server/calls/list_checkpoints.h"
#include "server/calls/list_sessions.h"
#include "server/calls/predict.h"
#include "server/calls/rewind_session.h"
#include "server/calls/train_step.h"
#include "server/calls/update_checkpoint.h"
#include "server/calls/update_session.h"
#include "server/rpc/evaluate.h"
#include "server/rpc/get_weights.h"
#include "server/rpc/train.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/watch_deltas.h"

namespace backprop {
namespace {

using Rpc = grpc::CallbackServerContext;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using grpc::ByteBuffer;

const ServiceDescriptor& Description() {
  return *google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      v1::TrainingService::service_full_name());
}

Metrics::RpcType TypeOf(const MethodDescriptor& method) {
  using enum Metrics::RpcType;
  if (method.client_streaming()) {
    return method.server_streaming() ? kBidiStream : kClientStream;
  }
  return method.server_streaming() ? kServerStream : kUnary;
}

// Counters of 0 from the start: an alert can't see one that isn't there yet.
void PresentMethods(Metrics& metrics) {
  for (int i = 0; i < Description().method_count(); ++i) {
    const MethodDescriptor& method = *Description().method(i);
    metrics.ForRpc(TypeOf(method), Description().full_name(), method.name());
  }
}

// Every method is taken raw (byte_buffer.h). What protoc generates for that is
// a class template a method, each derived from the next; this does what their
// constructors do, with the same handlers, so that a method is one row.
class TrainingService final : public v1::TrainingService::Service {
 public:
  // A method that has no row is answered UNIMPLEMENTED.
  TrainingService(ServiceContext& context, OpenStreams& streams)
      : context_(context), streams_(streams) {
    PresentMethods(context.metrics);
    InTurns("CreateSession", PlanCreateSession);
    AtOnce("GetSession", AnswerGetSession);
    InTurns("ListSessions", PlanListSessions);
    AtOnce("DeleteSession", AnswerDeleteSession);
    InTurns("UpdateSession", PlanUpdateSession);
    InTurns("TrainStep", PlanTrainStep);
    InTurns("Predict", PlanPredict);
    BothStream("Train", [this](Rpc* rpc) noexcept {
      return OpenTrain(context_, streams_, rpc);
    });
    ClientStreams("Evaluate", [this](Rpc* rpc, ByteBuffer* response) noexcept {
      return OpenEvaluate(context_, rpc, response);
    });
    ServerStreams("GetWeights",
                  [this](Rpc* rpc, const ByteBuffer* request) noexcept {
                    return OpenGetWeights(context_, rpc, *request);
                  });
    ServerStreams("WatchDeltas",
                  [this](Rpc*, const ByteBuffer* request) noexcept {
                    return OpenWatchDeltas(context_, streams_, *request);
                  });
    InTurns("CreateCheckpoint", PlanCreateCheckpoint);
    InTurns("ListCheckpoints", PlanListCheckpoints);
    InTurns("UpdateCheckpoint", PlanUpdateCheckpoint);
    InTurns("DeleteCheckpoint", PlanDeleteCheckpoint);
    InTurns("RewindSession", PlanRewindSession);
    AtOnce("GetServerInfo", AnswerGetServerInfo);
  }

 private:
  // For what needs no turn: answered also where the pool has much to do, so
  // that an operator can see what goes on then, and delete sessions.
  template <class Request, class Response, class... Settle>
  void AtOnce(const char* method,
              absl::Status (*answer)(ServiceContext&, const Request&, Response*,
                                     Settle...)) {
    ServeUnary<Request, Response>(
        method, [answer](auto* call) { call->AnswerNow(answer); });
  }

  template <class Request, class Response>
  void InTurns(const char* method,
               absl::StatusOr<Work> (*plan)(ServiceContext&, const Request&,
                                            Response*)) {
    ServeUnary<Request, Response>(
        method, [plan](auto* call) { call->AnswerInTurns(plan); });
  }

  // begin: called with the call.
  template <class Request, class Response, class Begin>
  void ServeUnary(const char* method, Begin begin) {
    using Handler =
        grpc::internal::CallbackUnaryHandler<ByteBuffer, ByteBuffer>;
    Serve(method,
          new Handler([this, method, begin](Rpc* rpc, const ByteBuffer* request,
                                            ByteBuffer* response) noexcept {
            auto* const call = new UnaryCall<Request, Response>(
                context_, method, rpc, request, response);
            begin(call);
            return call;
          }));
  }

  template <class Open>
  void BothStream(const char* method, Open open) {
    Serve(
        method,
        new grpc::internal::CallbackBidiHandler<ByteBuffer, ByteBuffer>(open));
  }

  template <class Open>
  void ClientStreams(const char* method, Open open) {
    Serve(method,
          new grpc::internal::CallbackClientStreamingHandler<ByteBuffer,
                                                             ByteBuffer>(open));
  }

  template <class Open>
  void ServerStreams(const char* method, Open open) {
    Serve(method,
          new grpc::internal::CallbackServerStreamingHandler<ByteBuffer,
                                                             ByteBuffer>(open));
  }

  // Takes the handler.
  void Serve(const char* method, grpc::internal::MethodHandler* handler) {
    MarkMethodRawCallback(Description().FindMethodByName(method)->index(),
                          handler);
  }

  ServiceContext& context_;
  OpenStreams& streams_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeTrainingService(ServiceContext& context,
                                                   OpenStreams& streams) {
  return std::make_unique<TrainingService>(context, streams);
}

}  // namespace backprop
