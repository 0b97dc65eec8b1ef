// SPDX-License-Identifier: Apache-2.0
#include "server/spec_translation.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rejection.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

constexpr float kLargestByte = 255.0F;
// Keeps the bytes of a step's samples far from overflow.
constexpr uint32_t kLargestBatch = 1u << 20;
// Deeper nets of fully connected layers don't learn, and a small message could
// describe millions.
constexpr int kMostLayers = 1024;
// Inputs and activations of one step, in numbers: 256 MiB of scratch memory
// that a small message could otherwise blow up to terabytes.
constexpr size_t kMostStepNumbers = size_t{64} << 20;

Activation ActivationFromProto(v1::Activation proto, const std::string& field,
                               Violations& violations) {
  switch (proto) {
    case v1::ACTIVATION_UNSPECIFIED:
    case v1::ACTIVATION_IDENTITY:
      return Activation::kIdentity;
    case v1::ACTIVATION_SIGMOID:
      return Activation::kSigmoid;
    case v1::ACTIVATION_TANH:
      return Activation::kTanh;
    case v1::ACTIVATION_RELU:
      return Activation::kRelu;
    case v1::ACTIVATION_SOFTMAX:
      return Activation::kSoftmax;
    default:
      violations.push_back(
          {field, absl::StrCat(static_cast<int>(proto),
                               " is no activation that this server knows")});
      return Activation::kIdentity;
  }
}

v1::Activation ActivationToProto(Activation activation) {
  switch (activation) {
    case Activation::kIdentity:
      return v1::ACTIVATION_IDENTITY;
    case Activation::kSigmoid:
      return v1::ACTIVATION_SIGMOID;
    case Activation::kTanh:
      return v1::ACTIVATION_TANH;
    case Activation::kRelu:
      return v1::ACTIVATION_RELU;
    case Activation::kSoftmax:
      return v1::ACTIVATION_SOFTMAX;
  }
  return v1::ACTIVATION_UNSPECIFIED;
}

Loss LossFromProto(v1::Loss proto, Violations& violations) {
  switch (proto) {
    case v1::LOSS_UNSPECIFIED:
    case v1::LOSS_HALF_SQUARED_ERROR:
      return Loss::kHalfSquaredError;
    case v1::LOSS_CROSS_ENTROPY:
      return Loss::kCrossEntropy;
    default:
      violations.push_back(
          {"spec.loss", absl::StrCat(static_cast<int>(proto),
                                     " is no loss that this server knows")});
      return Loss::kHalfSquaredError;
  }
}

NetworkSpec NetworkFromProto(const v1::SessionSpec& proto,
                             Violations& violations) {
  NetworkSpec network;
  if (proto.layers_size() > kMostLayers) {
    violations.push_back(
        {"spec.layers",
         absl::StrCat("holds ", proto.layers_size(),
                      " layers; must hold at most ", kMostLayers)});
    return network;
  }
  network.input_size = proto.input_size();
  for (int i = 0; i < proto.layers_size(); ++i) {
    const v1::Layer& layer = proto.layers(i);
    network.layers.push_back(
        {layer.size(),
         ActivationFromProto(layer.activation(),
                             absl::StrCat("spec.layers[", i, "].activation"),
                             violations)});
  }
  network.loss = LossFromProto(proto.loss(), violations);
  for (FieldViolation& violation : Validate(network)) {
    violation.field.insert(0, "spec.");
    violations.push_back(std::move(violation));
  }
  return network;
}

float LearningRateFromProto(const v1::SessionSpec& proto,
                            Violations& violations) {
  if (proto.optimiser().kind_case() != v1::Optimiser::kSgd) {
    violations.push_back({"spec.optimiser", "is required: set sgd"});
    return 0;
  }
  const float rate = proto.optimiser().sgd().learning_rate();
  if (!std::isfinite(rate) || rate <= 0) {
    violations.push_back(
        {"spec.optimiser.sgd.learning_rate",
         absl::StrCat("is ", rate, "; must be finite and greater than 0")});
  }
  return rate;
}

Initialiser InitialiserFromProto(const v1::Initialiser& proto,
                                 Violations& violations) {
  Initialiser initialiser;
  initialiser.seed = proto.seed();
  switch (proto.kind()) {
    case v1::INITIALISER_KIND_UNSPECIFIED:
    case v1::INITIALISER_KIND_GLOROT_UNIFORM:
      initialiser.kind = InitialiserKind::kGlorotUniform;
      break;
    case v1::INITIALISER_KIND_HE_UNIFORM:
      initialiser.kind = InitialiserKind::kHeUniform;
      break;
    case v1::INITIALISER_KIND_ZEROS:
      initialiser.kind = InitialiserKind::kZeros;
      break;
    default:
      violations.push_back(
          {"spec.initialiser.kind",
           absl::StrCat(static_cast<int>(proto.kind()),
                        " is no initialiser that this server knows")});
  }
  return initialiser;
}

v1::InitialiserKind InitialiserToProto(InitialiserKind kind) {
  switch (kind) {
    case InitialiserKind::kZeros:
      return v1::INITIALISER_KIND_ZEROS;
    case InitialiserKind::kGlorotUniform:
      return v1::INITIALISER_KIND_GLOROT_UNIFORM;
    case InitialiserKind::kHeUniform:
      return v1::INITIALISER_KIND_HE_UNIFORM;
  }
  return v1::INITIALISER_KIND_UNSPECIFIED;
}

InputFormat InputFromProto(const v1::InputFormat& proto,
                           Violations& violations) {
  InputFormat input;
  switch (proto.element_type()) {
    case v1::ELEMENT_TYPE_UNSPECIFIED:
    case v1::ELEMENT_TYPE_FLOAT32:
      input.element_type = ElementType::kFloat32;
      break;
    case v1::ELEMENT_TYPE_UINT8:
      input.element_type = ElementType::kUint8;
      break;
    default:
      violations.push_back(
          {"spec.input.element_type",
           absl::StrCat(static_cast<int>(proto.element_type()),
                        " is no element type that this server knows")});
  }
  // Bytes times scale must be finite, so that they need no check later.
  if (!std::isfinite(proto.scale() * kLargestByte)) {
    violations.push_back(
        {"spec.input.scale",
         absl::StrCat("is ", proto.scale(),
                      "; must be finite, also when multiplied by 255")});
  } else if (proto.scale() != 0) {
    input.scale = proto.scale();
  }
  return input;
}

}  // namespace

absl::StatusOr<SessionSpec> SpecFromProto(const v1::SessionSpec& proto,
                                          bool weights_given) {
  Violations violations;
  SessionSpec spec;
  spec.network = NetworkFromProto(proto, violations);
  spec.learning_rate = LearningRateFromProto(proto, violations);
  if (proto.batch_size() > kLargestBatch) {
    violations.push_back(
        {"spec.batch_size", absl::StrCat("is ", proto.batch_size(),
                                         "; must be at most ", kLargestBatch)});
  }
  spec.batch_size = proto.batch_size() == 0 ? 1 : proto.batch_size();
  if (!weights_given) {
    spec.initialiser = InitialiserFromProto(proto.initialiser(), violations);
  }
  spec.input = InputFromProto(proto.input(), violations);
  if (proto.digest_every() != 0) spec.digest_every = proto.digest_every();
  if (!violations.empty()) return InvalidFields(violations);
  return spec;
}

v1::SessionSpec SpecToProto(const SessionSpec& spec) {
  v1::SessionSpec proto;
  proto.set_input_size(static_cast<uint32_t>(spec.network.input_size));
  for (const LayerSpec& layer : spec.network.layers) {
    v1::Layer* added = proto.add_layers();
    added->set_size(static_cast<uint32_t>(layer.size));
    added->set_activation(ActivationToProto(layer.activation));
  }
  proto.set_loss(spec.network.loss == Loss::kCrossEntropy
                     ? v1::LOSS_CROSS_ENTROPY
                     : v1::LOSS_HALF_SQUARED_ERROR);
  proto.mutable_optimiser()->mutable_sgd()->set_learning_rate(
      spec.learning_rate);
  proto.set_batch_size(static_cast<uint32_t>(spec.batch_size));
  if (spec.initialiser) {
    proto.mutable_initialiser()->set_kind(
        InitialiserToProto(spec.initialiser->kind));
    proto.mutable_initialiser()->set_seed(spec.initialiser->seed);
  }
  proto.mutable_input()->set_element_type(spec.input.element_type ==
                                                  ElementType::kUint8
                                              ? v1::ELEMENT_TYPE_UINT8
                                              : v1::ELEMENT_TYPE_FLOAT32);
  proto.mutable_input()->set_scale(spec.input.scale);
  proto.set_digest_every(spec.digest_every);
  return proto;
}

absl::StatusOr<Layout> LayoutOf(const SessionSpec& spec, size_t max_weights) {
  std::vector<size_t> sizes;
  for (const LayerSpec& layer : spec.network.layers) {
    sizes.push_back(layer.size);
  }
  auto layout = Layout::Create(spec.network.input_size, sizes, spec.batch_size,
                               max_weights);
  if (layout.ok()) {
    // No overflow: the weights outnumber the row, and max_weights bounds them.
    size_t row = spec.network.input_size;
    for (const size_t size : sizes) row += size;
    if (row <= kMostStepNumbers / spec.batch_size) return layout;
    return InvalidField(
        "spec.batch_size",
        absl::StrCat("is ", spec.batch_size, "; with ", row,
                     " inputs and activations a sample it must be at most ",
                     kMostStepNumbers / row));
  }
  return InvalidField(
      "spec.layers",
      absl::StrCat(layout.status().message(),
                   "; make the net smaller, or raise --max-session-weights"));
}

void SessionToProto(const Session& session, v1::Session* proto) {
  proto->set_session_id(session.id());
  *proto->mutable_spec() = SpecToProto(session.spec());
  v1::Layout* layout = proto->mutable_layout();
  for (const LayerLayout& layer : session.layout().layers()) {
    v1::LayerLayout* added = layout->add_layers();
    added->set_inputs(static_cast<uint32_t>(layer.inputs));
    added->set_outputs(static_cast<uint32_t>(layer.outputs));
    added->set_weights_begin(layer.weights_begin);
    added->set_bias_begin(layer.bias_begin);
    added->set_delta_form(layer.form == DeltaForm::kDense
                              ? v1::DELTA_FORM_DENSE
                              : v1::DELTA_FORM_FACTORED);
    added->set_delta_begin(layer.delta_begin);
    added->set_delta_length(layer.delta_length);
  }
  layout->set_weight_count(session.layout().weight_count());
  layout->set_delta_row_length(session.layout().delta_row_length());
  const Progress progress = session.progress();
  proto->set_step(progress.step);
  proto->set_next_offset(progress.next_offset);
  proto->set_has_writer(session.has_writer());
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  const auto since_epoch = session.created().time_since_epoch();
  const auto whole = std::chrono::duration_cast<seconds>(since_epoch);
  proto->mutable_create_time()->set_seconds(whole.count());
  proto->mutable_create_time()->set_nanos(static_cast<int32_t>(
      std::chrono::duration_cast<nanoseconds>(since_epoch - whole).count()));
}

}  // namespace backprop
