// SPDX-License-Identifier: Apache-2.0
#include "server/single_step.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/delta.h"
#include "server/rejection.h"
#include "server/sample_decoder.h"

namespace backprop {
namespace {

// Protobuf's messages end at 2 GiB; some room for what is not numbers.
constexpr size_t kMostNumbersInMessage = ((size_t{1} << 31) - (1u << 20)) / 4;

absl::Status CheckCount(std::string_view field, int count, size_t expected) {
  if (static_cast<size_t>(count) == expected) return absl::OkStatus();
  return InvalidField(
      field, absl::StrCat("holds ", count, "; it must hold ", expected));
}

absl::Status CheckTargets(const v1::Sample& sample, const std::string& path,
                          size_t outputs) {
  if (sample.has_class_() == (sample.targets_size() != 0)) {
    return InvalidField(path + ".targets",
                        "set exactly one of targets and class");
  }
  if (sample.has_class_()) {
    if (sample.class_() < outputs) return absl::OkStatus();
    return InvalidField(
        path + ".class",
        absl::StrCat("is ", sample.class_(), "; the network has ", outputs,
                     " outputs, so it must be at most ", outputs - 1));
  }
  absl::Status status =
      CheckCount(path + ".targets", sample.targets_size(), outputs);
  if (!status.ok()) return status;
  return CheckFinite(path + ".targets", {sample.targets().data(), outputs});
}

absl::Status Check(const Session& session,
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
    if (status.ok()) status = CheckTargets(sample, path, layout.output_size());
  }
  return status;
}

// inputs: (batch_size, input_size); targets: (batch_size, output_size).
void Decode(const v1::TrainStepRequest& request, std::span<float> inputs,
            std::span<float> targets) {
  const size_t batch = static_cast<size_t>(request.samples_size());
  const size_t outputs = targets.size() / batch;
  std::fill(targets.begin(), targets.end(), 0.0F);
  auto input = inputs.begin();
  for (size_t i = 0; i < batch; ++i) {
    const v1::Sample& sample = request.samples(static_cast<int>(i));
    input = std::copy(sample.inputs().begin(), sample.inputs().end(), input);
    if (sample.has_class_()) {
      targets[i * outputs + sample.class_()] = 1.0F;
    } else {
      std::copy(sample.targets().begin(), sample.targets().end(),
                targets.begin() + i * outputs);
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

}  // namespace

absl::Status TakeSingleStep(Session& session,
                            const v1::TrainStepRequest& request,
                            Metrics& metrics, Worker& worker,
                            v1::TrainStepResponse* response) {
  absl::Status status = Check(session, request);
  if (status.ok()) status = session.CheckNoWriter();
  if (!status.ok()) return status;
  const Layout& layout = session.layout();
  const size_t batch = layout.batch_size();
  TrainRun run;
  const auto inputs = Panel(worker.inputs, batch * layout.input_size());
  const auto targets = Panel(worker.targets, batch * layout.output_size());
  Decode(request, inputs, targets);
  run.inputs = inputs;
  run.targets = targets;
  run.errors = Panel(worker.errors, 1);
  run.deltas = Panel(worker.deltas, layout.delta_row_length());
  run.outputs = Panel(worker.outputs, batch * layout.output_size());

  std::vector<float> delta(layout.weight_count());
  ReserveAnswer(layout, response);

  const auto start = std::chrono::steady_clock::now();
  const TrainOutcome outcome = session.Train(worker.trainer, run);
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  if (outcome.after.step == outcome.before.step) {
    return NonFiniteStep(outcome.after, "nothing was applied");
  }
  metrics.RecordTurn({run.errors, batch, seconds.count()});
  response->set_step(outcome.after.step);
  response->set_error(run.errors[0]);
  response->mutable_outputs()->Add(run.outputs.begin(), run.outputs.end());
  ExpandDelta(layout, run.deltas, run.inputs, delta);
  FillDeltas(layout, delta, response);
  response->set_digest(session.WeightsDigest());
  return absl::OkStatus();
}

}  // namespace backprop
