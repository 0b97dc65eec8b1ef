// SPDX-License-Identifier: Apache-2.0
#include "server/calls/get_server_info.h"

#include <string>

#include "engine/kernels/blas.h"
#include "engine/kernels/instruction_set.h"
#include "server/translation/timestamp.h"

namespace backprop {
namespace {

void SetCompute(const ComputePool& pool, v1::ComputeInfo* compute) {
  compute->set_threads(static_cast<uint32_t>(pool.size()));
  const ComputeLabels labels = GetComputeLabels();
  compute->set_instruction_set(labels.instruction_set);
  compute->set_blas(std::string(blas::Config()));
  compute->set_blas_kernels(labels.blas_kernels);
}

void SetLimits(const ServerOptions& options, v1::ServerLimits* limits) {
  limits->set_max_message_bytes(options.max_message_bytes);
  limits->set_max_sessions(options.max_sessions);
  limits->set_max_session_weights(options.max_session_weights);
  limits->set_max_total_weights(options.max_total_weights);
  limits->set_max_queued_bytes(options.max_queued_bytes);
  limits->set_max_watched_bytes(options.max_watched_bytes);
  limits->set_max_held_bytes(options.max_held_bytes);
  limits->set_max_pending_calls(options.max_pending_calls);
  limits->set_max_undurable_bytes(options.max_undurable_bytes);
}

}  // namespace

ComputeLabels GetComputeLabels() {
  return {.blas = std::string(blas::Version()),
          .blas_kernels = std::string(blas::CoreName()),
          .instruction_set = std::string(InstructionSet())};
}

absl::Status AnswerGetServerInfo(ServiceContext& context,
                                 const v1::GetServerInfoRequest& /*request*/,
                                 v1::GetServerInfoResponse* response) {
  response->set_version(BACKPROP_VERSION);
  response->set_grpc_version(BACKPROP_GRPC_VERSION);
  TimeToProto(context.start_time, response->mutable_start_time());
  SetCompute(context.pool, response->mutable_compute());
  SetLimits(context.options, response->mutable_limits());
  return absl::OkStatus();
}

}  // namespace backprop
