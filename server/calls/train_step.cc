// SPDX-License-Identifier: Apache-2.0
#include "server/calls/train_step.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/contract/delta.h"
#include "engine/network/loss.h"
#include "server/calls/request_id.h"
#include "server/calls/watched_steps.h"
#include "server/sessions/rejection.h"
#include "server/sessions/sample_decoder.h"
#include "server/sessions/worker.h"
#include "server/translation/message_limits.h"

namespace backprop {
namespace {

absl::Status CheckCount(std::string_view field, int count, size_t expected) {
  if (static_cast<size_t>(count) == expected) return absl::OkStatus();
  return InvalidField(
      field, absl::StrCat("holds ", count, "; it must hold ", expected));
}

absl::Status CheckTargets(const NetworkSpec& network, const v1::Sample& sample,
                          const std::string& path) {
  const size_t outputs = network.output_size();
  if (sample.has_class_number() == (sample.targets_size() != 0)) {
    return InvalidField(path + ".targets",
                        "set exactly one of targets and class_number");
  }
  if (sample.has_class_number()) {
    if (sample.class_number() < outputs) return absl::OkStatus();
    return InvalidField(
        path + ".class_number",
        absl::StrCat("is ", sample.class_number(), "; the network has ",
                     outputs, " outputs, so it must be at most ", outputs - 1));
  }
  absl::Status status =
      CheckCount(path + ".targets", sample.targets_size(), outputs);
  if (status.ok()) {
    status = CheckFinite(path + ".targets", {sample.targets().data(), outputs});
  }
  const LossTraits& loss = TraitsOf(network.loss);
  if (!status.ok() || loss.target_rule == nullptr) return status;
  for (int i = 0; i < sample.targets_size(); ++i) {
    const float target = sample.targets(i);
    if (target >= loss.least_target && target <= loss.largest_target) continue;
    return InvalidField(absl::StrCat(path, ".targets[", i, "]"),
                        absl::StrCat("is ", target, "; must be ",
                                     loss.target_rule, " under ", loss.name));
  }
  return status;
}

absl::Status Check(const Session& session, const SessionSpec& spec,
                   const v1::TrainStepRequest& request) {
  const Layout& layout = session.layout();
  const size_t answer =
      layout.weight_count() + layout.batch_size() * layout.output_size();
  if (answer > kMostNumbersInMessage) {
    return InvalidField("session_id",
                        "names a network whose weight delta is larger than a "
                        "message may be: use Train");
  }
  absl::Status status =
      CheckCount("samples", request.samples_size(), layout.batch_size());
  for (int i = 0; status.ok() && i < request.samples_size(); ++i) {
    const v1::Sample& sample = request.samples(i);
    const std::string path = absl::StrCat("samples[", i, "]");
    status =
        CheckCount(path + ".inputs", sample.inputs_size(), layout.input_size());
    if (status.ok()) {
      status = CheckFinite(path + ".inputs",
                           {sample.inputs().data(), layout.input_size()});
    }
    if (status.ok()) status = CheckTargets(spec.network, sample, path);
  }
  return status;
}

// inputs: (batch_size, stride), `stride` numbers in a row; targets:
// (batch_size, output_size).
void Decode(const v1::TrainStepRequest& request, size_t stride,
            std::span<float> inputs, std::span<float> targets) {
  const size_t batch = static_cast<size_t>(request.samples_size());
  const size_t outputs = targets.size() / batch;
  std::fill(inputs.begin(), inputs.end(), 0.0F);
  std::fill(targets.begin(), targets.end(), 0.0F);
  for (size_t i = 0; i < batch; ++i) {
    const v1::Sample& sample = request.samples(static_cast<int>(i));
    std::copy(sample.inputs().begin(), sample.inputs().end(),
              inputs.subspan(i * stride).begin());
    if (sample.has_class_number()) {
      targets[i * outputs + sample.class_number()] = 1.0F;
    } else {
      std::copy(sample.targets().begin(), sample.targets().end(),
                targets.subspan(i * outputs).begin());
    }
  }
  FlushSmall(inputs);
}

// All the memory that the answer needs, so that a step which was taken can be
// told.
void ReserveAnswer(const Layout& layout, v1::TrainStepResponse* response) {
  response->mutable_outputs()->Reserve(
      static_cast<int>(layout.batch_size() * layout.output_size()));
  for (const LayerLayout& layer : layout.layers()) {
    v1::LayerDelta* added = response->add_deltas();
    added->mutable_weights()->Reserve(
        static_cast<int>(layer.outputs * layer.inputs));
    added->mutable_bias()->Reserve(static_cast<int>(layer.outputs));
  }
}

// delta: (weight_count), D in layout order.
void FillDeltas(const Layout& layout, std::span<const float> delta,
                v1::TrainStepResponse* response) {
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    v1::LayerDelta* filled = response->mutable_deltas(static_cast<int>(k));
    const float* weights = delta.data() + layer.weights_begin;
    const float* bias = delta.data() + layer.bias_begin;
    filled->mutable_weights()->Add(weights,
                                   weights + layer.outputs * layer.inputs);
    filled->mutable_bias()->Add(bias, bias + layer.outputs);
  }
}

// What the answer takes at most.
size_t SingleStepBytes(const Layout& layout) {
  constexpr size_t kOtherBytes = 64;  // of the answer, and of each layer
  return (layout.weight_count() + layout.batch_size() * layout.output_size()) *
             sizeof(float) +
         (1 + layout.layers().size()) * kOtherBytes;
}

// Within a turn of the session's lane.
absl::Status TakeSingleStep(Session& session,
                            const v1::TrainStepRequest& request,
                            ServiceContext& context, Worker& worker,
                            v1::TrainStepResponse* response) {
  const auto spec = session.in_turn().spec;
  absl::Status status = Check(session, *spec, request);
  if (status.ok()) status = CheckReady(*spec);
  if (status.ok()) status = session.CheckNoWriter();
  if (!status.ok()) return status;
  if (!session.MayTrain()) {
    return StoreIsBehind(context.options.max_undurable_bytes);
  }
  const Layout& layout = session.layout();
  const size_t batch = layout.batch_size();
  TrainRun run;
  const size_t stride = InputStride(layout);
  const auto inputs = Grown(worker.inputs, batch * stride);
  const auto targets = Grown(worker.targets, batch * layout.output_size());
  Decode(request, stride, inputs, targets);
  run.inputs = inputs;
  run.targets = targets;
  run.errors = Grown(worker.errors, 1);
  run.deltas = Grown(worker.deltas, layout.delta_row_length());
  run.outputs = Grown(worker.outputs, batch * layout.output_size());

  run.scalars = Grown(worker.scalars, layout.scalar_count());
  run.gradient_norms = Grown(worker.gradient_norms, 1);
  std::vector<float> delta(layout.weight_count());
  run.full_deltas = delta;
  ReserveAnswer(layout, response);

  const auto start = std::chrono::steady_clock::now();
  const TrainOutcome outcome = session.Train(worker.trainer, run);
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  if (outcome.after.step == outcome.before.step) {
    return NonFiniteStep(outcome.after, "nothing was applied");
  }
  context.metrics.RecordTurn({run.errors, batch, seconds.count()});
  TellOfSteps(session,
              {.run = &run,
               .steps = 1,
               // Close together: a single one, or the stride is the size.
               .inputs = {reinterpret_cast<const char*>(inputs.data()),
                          batch * layout.input_size() * sizeof(float)},
               .inputs_are_values = true,
               .outcome = &outcome});
  response->set_step(outcome.after.step);
  response->set_epoch(session.epoch());
  response->set_error(run.errors[0]);
  response->mutable_outputs()->Add(run.outputs.begin(), run.outputs.end());
  FillDeltas(layout, delta, response);
  response->set_digest(session.WeightsDigest());
  return absl::OkStatus();
}

// Likewise, unless it was done before.
absl::Status TakeStepOnce(Session& session, const v1::TrainStepRequest& request,
                          ServiceContext& context, Worker& worker,
                          v1::TrainStepResponse* response) {
  absl::Status status = CheckRequestId(request.request_id());
  if (!status.ok()) return status;
  RequestKey key = KeyOf("TrainStep", request.request_id(), request);
  const auto done = session.done_requests().Find(key);
  if (!done.ok()) return done.status();
  if (done->has_value()) {
    response->set_step(**done);
    response->set_epoch(session.epoch());
    response->set_already_applied(true);
    return absl::OkStatus();
  }
  session.done_requests().MakeRoom();
  status = TakeSingleStep(session, request, context, worker, response);
  if (status.ok()) {
    session.done_requests().Add({std::move(key), response->step()});
  }
  return status;
}

}  // namespace

absl::StatusOr<Work> PlanTrainStep(ServiceContext& context,
                                   const v1::TrainStepRequest& request,
                                   v1::TrainStepResponse* response) {
  auto session = FindSession(context, request.session_id());
  if (!session.ok()) return session.status();
  return Work{(*session)->lane(), SingleStepBytes((*session)->layout()),
              [&context, &request, response,
               session = *std::move(session)](Worker& worker) {
                return TakeStepOnce(*session, request, context, worker,
                                    response);
              }};
}

}  // namespace backprop
