// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/training_service.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backprop/v1/training_service.grpc.pb.h"
#include "server/calls/create_session.h"
#include "server/calls/predict.h"
#include "server/calls/train_step.h"
#include "server/calls/update_session.h"
#include "server/rpc/evaluate.h"
#include "server/rpc/get_weights.h"
#include "server/rpc/train.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/watch_deltas.h"
#include "server/sessions/rejection.h"
#include "server/translation/network.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

using Rpc = grpc::CallbackServerContext;
using Unary = grpc::ServerUnaryReactor;
using grpc::ByteBuffer;

constexpr uint32_t kPageSize = 100;
constexpr uint32_t kLargestPage = 1000;
// A page ends early beyond this, so that pages of deep nets stay below gRPC's
// default receive limit.
constexpr size_t kFullPageBytes = size_t{1} << 20;

// Every method of the service, raw (byte_buffer.h). One that is left out here
// is answered UNIMPLEMENTED.
template <class Service>
using SessionMethods = v1::TrainingService::WithRawCallbackMethod_CreateSession<
    v1::TrainingService::WithRawCallbackMethod_GetSession<
        v1::TrainingService::WithRawCallbackMethod_ListSessions<
            v1::TrainingService::WithRawCallbackMethod_DeleteSession<
                v1::TrainingService::WithRawCallbackMethod_UpdateSession<
                    Service>>>>>;
template <class Service>
using NetworkMethods = v1::TrainingService::WithRawCallbackMethod_Train<
    v1::TrainingService::WithRawCallbackMethod_TrainStep<
        v1::TrainingService::WithRawCallbackMethod_Predict<
            v1::TrainingService::WithRawCallbackMethod_Evaluate<
                v1::TrainingService::WithRawCallbackMethod_GetWeights<
                    v1::TrainingService::WithRawCallbackMethod_WatchDeltas<
                        Service>>>>>>;

// What a session's description takes at most, more or less: beside its spec,
// the layout of so many layers ...
size_t SessionBytes(size_t layers) {
  constexpr size_t kLayerBytes = 128;
  constexpr size_t kOtherBytes = 1024;
  return kOtherBytes + layers * kLayerBytes;
}

// ... and with it.
size_t SessionBytes(const Session& session) {
  const Layout& layout = session.layout();
  // Standardisation and class weights.
  const size_t numbers = 2 * layout.input_size() + layout.output_size();
  return SessionBytes(layout.layers().size()) + numbers * sizeof(float);
}

absl::StatusOr<Work> PlanCreate(ServiceContext& context,
                                const v1::CreateSessionRequest& request,
                                v1::CreateSessionResponse* response) {
  std::shared_ptr<Lane> lane;  // the origin's; else of its own
  // A net of more layers is refused, so no room is asked for it: whether there
  // is any is not what is wrong with it.
  const int layers = std::min(request.spec().layers_size(), kMostLayers);
  size_t bytes = request.spec().ByteSizeLong() +
                 request.initial().standardisation().ByteSizeLong() +
                 SessionBytes(static_cast<size_t>(layers));
  if (const auto origin = context.sessions.Find(request.fork().session_id());
      request.has_fork() && origin.ok()) {
    lane = (*origin)->lane();
    bytes += SessionBytes(**origin);
  }
  return Work{
      std::move(lane), bytes,
      [&context, &request, response](Worker&) {
        auto created = MakeSession(context.options, request, context.sessions);
        if (!created.ok()) return created.status();
        const Session& session = *created->session;
        if (created->is_new) {
          context.metrics.SessionCreated(session.layout().weight_count());
        }
        SessionToProto(session, response->mutable_session());
        return absl::OkStatus();
      },
      "spec"};
}

absl::Status DescribeSession(ServiceContext& context,
                             const v1::GetSessionRequest& request,
                             v1::GetSessionResponse* response) {
  const auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  SessionToProto(**session, response->mutable_session());
  return absl::OkStatus();
}

absl::Status ForgetSession(ServiceContext& context,
                           const v1::DeleteSessionRequest& request,
                           v1::DeleteSessionResponse* /*response*/) {
  if (request.session_id().empty()) {
    return InvalidField("session_id", "is required");
  }
  const auto session = context.sessions.Delete(request.session_id());
  if (!session.ok()) return session.status();
  context.housekeeping.SomethingFreed();
  context.metrics.SessionDeleted((*session)->layout().weight_count());
  return absl::OkStatus();
}

absl::StatusOr<Work> PlanUpdate(ServiceContext& context,
                                const v1::UpdateSessionRequest& request,
                                v1::UpdateSessionResponse* response) {
  auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  return Work{(*session)->lane(), SessionBytes(**session),
              [&request, response, session = *std::move(session)](Worker&) {
                return UpdateHyperparameters(request, *session, response);
              }};
}

absl::StatusOr<Work> PlanStep(ServiceContext& context,
                              const v1::TrainStepRequest& request,
                              v1::TrainStepResponse* response) {
  auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  return Work{(*session)->lane(), SingleStepBytes((*session)->layout()),
              [&context, &request, response,
               session = *std::move(session)](Worker& worker) {
                return TakeSingleStep(*session, request, context.metrics,
                                      worker, response);
              }};
}

absl::StatusOr<Work> PlanPredict(ServiceContext& context,
                                 const v1::PredictRequest& request,
                                 v1::PredictResponse* response) {
  auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  const auto predictor = std::make_shared<RowPredictor>(
      *session, request, context.options.max_message_bytes, response);
  return Work{(*session)->lane(), predictor->answer_bytes(),
              [predictor](Worker& worker) { return predictor->Next(worker); },
              "inputs"};
}

// request: checked.
absl::Status ListPage(const SessionTable& sessions,
                      const v1::ListSessionsRequest& request,
                      v1::ListSessionsResponse* response) {
  const size_t size =
      request.page_size() == 0 ? kPageSize : request.page_size();
  // One more, to see whether there is a further page.
  const auto found = sessions.List(request.page_token(), size + 1);
  size_t bytes = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (i == size || bytes >= kFullPageBytes) {
      response->set_next_page_token(found[i - 1]->id());
      break;
    }
    v1::Session* const added = response->add_sessions();
    SessionToProto(*found[i], added);
    bytes += added->ByteSizeLong();
  }
  return absl::OkStatus();
}

absl::StatusOr<Work> PlanList(ServiceContext& context,
                              const v1::ListSessionsRequest& request,
                              v1::ListSessionsResponse* response) {
  if (request.page_size() > kLargestPage) {
    return InvalidField("page_size",
                        absl::StrCat("is ", request.page_size(),
                                     "; must be at most ", kLargestPage));
  }
  if (!request.page_token().empty() && !IsSessionId(request.page_token())) {
    return InvalidField("page_token",
                        "must be an answer's next_page_token, or empty");
  }
  return Work{nullptr, 2 * kFullPageBytes,
              [&context, &request, response](Worker&) {
                return ListPage(context.sessions, request, response);
              }};
}

Metrics::RpcType TypeOf(const google::protobuf::MethodDescriptor& method) {
  using enum Metrics::RpcType;
  if (method.client_streaming()) {
    return method.server_streaming() ? kBidiStream : kClientStream;
  }
  return method.server_streaming() ? kServerStream : kUnary;
}

// Counters of 0 from the start: an alert can't see one that isn't there yet.
void PresentMethods(Metrics& metrics) {
  const std::string name = v1::TrainingService::service_full_name();
  const auto* const service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          name);
  for (int i = 0; i < service->method_count(); ++i) {
    metrics.ForRpc(TypeOf(*service->method(i)), name,
                   service->method(i)->name());
  }
}

class TrainingService final
    : public SessionMethods<NetworkMethods<v1::TrainingService::Service>> {
 public:
  TrainingService(ServiceContext& context, OpenStreams& streams)
      : context_(context), streams_(streams) {
    PresentMethods(context.metrics);
  }

  Unary* CreateSession(Rpc* rpc, const ByteBuffer* request,
                       ByteBuffer* response) noexcept override {
    return InTurns<v1::CreateSessionRequest, v1::CreateSessionResponse>(
        rpc, "CreateSession", request, response, PlanCreate);
  }

  Unary* GetSession(Rpc*, const ByteBuffer* request,
                    ByteBuffer* response) noexcept override {
    return AtOnce<v1::GetSessionRequest, v1::GetSessionResponse>(
        "GetSession", request, response, DescribeSession);
  }

  Unary* ListSessions(Rpc* rpc, const ByteBuffer* request,
                      ByteBuffer* response) noexcept override {
    return InTurns<v1::ListSessionsRequest, v1::ListSessionsResponse>(
        rpc, "ListSessions", request, response, PlanList);
  }

  Unary* DeleteSession(Rpc*, const ByteBuffer* request,
                       ByteBuffer* response) noexcept override {
    return AtOnce<v1::DeleteSessionRequest, v1::DeleteSessionResponse>(
        "DeleteSession", request, response, ForgetSession);
  }

  Unary* UpdateSession(Rpc* rpc, const ByteBuffer* request,
                       ByteBuffer* response) noexcept override {
    return InTurns<v1::UpdateSessionRequest, v1::UpdateSessionResponse>(
        rpc, "UpdateSession", request, response, PlanUpdate);
  }

  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* Train(
      Rpc* rpc) noexcept override {
    return OpenTrain(context_, streams_, rpc);
  }

  Unary* TrainStep(Rpc* rpc, const ByteBuffer* request,
                   ByteBuffer* response) noexcept override {
    return InTurns<v1::TrainStepRequest, v1::TrainStepResponse>(
        rpc, "TrainStep", request, response, PlanStep);
  }

  Unary* Predict(Rpc* rpc, const ByteBuffer* request,
                 ByteBuffer* response) noexcept override {
    return InTurns<v1::PredictRequest, v1::PredictResponse>(
        rpc, "Predict", request, response, PlanPredict);
  }

  grpc::ServerReadReactor<ByteBuffer>* Evaluate(
      Rpc* rpc, ByteBuffer* response) noexcept override {
    return OpenEvaluate(context_, rpc, response);
  }

  grpc::ServerWriteReactor<ByteBuffer>* GetWeights(
      Rpc* rpc, const ByteBuffer* request) noexcept override {
    return OpenGetWeights(context_, rpc, *request);
  }

  grpc::ServerWriteReactor<ByteBuffer>* WatchDeltas(
      Rpc*, const ByteBuffer* request) noexcept override {
    return OpenWatchDeltas(context_, streams_, *request);
  }

 private:
  // For what only looks something up: answered also where the pool has much to
  // do, so that sessions can be deleted then.
  template <typename Request, typename Response>
  Unary* AtOnce(const char* method, const ByteBuffer* request,
                ByteBuffer* response,
                absl::Status (*answer)(ServiceContext&, const Request&,
                                       Response*)) {
    return AnswerBytesNow<Request, Response>(
        context_, method, request, response,
        [this, answer](const Request& parsed, Response* filled) {
          return answer(context_, parsed, filled);
        });
  }

  template <typename Request, typename Response>
  Unary* InTurns(Rpc* rpc, const char* method, const ByteBuffer* request,
                 ByteBuffer* response,
                 absl::StatusOr<Work> (*plan)(ServiceContext&, const Request&,
                                              Response*)) {
    return AnswerBytes<Request, Response>(
        context_, rpc, method, request, response,
        [this, plan](const Request& parsed, Response* answer) {
          return plan(context_, parsed, answer);
        });
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
