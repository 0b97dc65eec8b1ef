// SPDX-License-Identifier: Apache-2.0
#include "client/cli/spec_flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"

namespace backprop::cli {
namespace {

template <typename Value>
struct Named {
  std::string_view name;
  Value value;
};

constexpr Named<v1::Activation> kActivations[] = {
    {"identity", v1::ACTIVATION_IDENTITY}, {"sigmoid", v1::ACTIVATION_SIGMOID},
    {"tanh", v1::ACTIVATION_TANH},         {"relu", v1::ACTIVATION_RELU},
    {"softmax", v1::ACTIVATION_SOFTMAX},
};
constexpr Named<v1::Loss> kLosses[] = {
    {"half-squared-error", v1::LOSS_HALF_SQUARED_ERROR},
    {"cross-entropy", v1::LOSS_CROSS_ENTROPY},
};
constexpr Named<v1::InitialiserKind> kInitialisers[] = {
    {"zeros", v1::INITIALISER_KIND_ZEROS},
    {"glorot-uniform", v1::INITIALISER_KIND_GLOROT_UNIFORM},
    {"he-uniform", v1::INITIALISER_KIND_HE_UNIFORM},
};

// The choices of a table, for help and error texts.
template <typename Table>
std::string Choices(const Table& table) {
  std::string text;
  for (const auto& entry : table) {
    if (!text.empty()) text += ", ";
    text += entry.name;
  }
  return text;
}

template <typename Value, size_t kSize>
absl::StatusOr<Value> Choose(const std::string& flag,
                             const Named<Value> (&table)[kSize],
                             std::string_view name) {
  for (const auto& entry : table)
    if (entry.name == name) return entry.value;
  return UsageError(
      flag, absl::StrCat("'", std::string(name),
                         "' is not known; choose one of ", Choices(table)));
}

absl::Status AddLayer(const std::string& text, v1::SessionSpec* spec) {
  const size_t colon = std::min(text.find(':'), text.size());
  uint32_t size = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + colon, size);
  if (error != std::errc() || end != text.data() + colon || size == 0)
    return UsageError("--layers", "'" + text +
                                      "' does not begin with a size of at "
                                      "least 1; write e.g. "
                                      "128:relu,10:softmax");
  v1::Layer* layer = spec->add_layers();
  layer->set_size(size);
  layer->set_activation(v1::ACTIVATION_IDENTITY);
  if (colon == text.size()) return absl::OkStatus();
  absl::StatusOr<v1::Activation> activation = Choose(
      "--layers", kActivations, std::string_view(text).substr(colon + 1));
  if (!activation.ok()) return activation.status();
  layer->set_activation(*activation);
  return absl::OkStatus();
}

std::vector<std::string> DefaultLayers(const DataShape& data) {
  return {"128:relu", absl::StrCat(std::max(data.output_size, 1U),
                                   data.regression ? ":identity" : ":softmax")};
}

bool HasRelu(const v1::SessionSpec& spec) {
  return std::any_of(spec.layers().begin(), spec.layers().end(),
                     [](const v1::Layer& layer) {
                       return layer.activation() == v1::ACTIVATION_RELU;
                     });
}

}  // namespace

void AddSpecFlags(CLI::App& app, SpecFlags* flags) {
  constexpr uint64_t kLargest32 = std::numeric_limits<uint32_t>::max();
  app.add_option("--layers", flags->layers,
                 "Comma-separated, from the first hidden layer to the output; "
                 "activations: " +
                     Choices(kActivations) + " [128:relu and the output]")
      ->type_name("SIZE:ACTIVATION")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--loss", flags->loss,
                 Choices(kLosses) + " [cross-entropy under softmax]")
      ->type_name("LOSS");
  app.add_option("--learning-rate", flags->learning_rate,
                 "How far each step moves")
      ->check(RealNumber())
      ->type_name("RATE")
      ->capture_default_str();
  app.add_option("--batch-size", flags->batch_size, "Samples a step")
      ->check(WholeNumber(1, kLargest32))
      ->type_name("COUNT")
      ->capture_default_str();
  app.add_option("--initialiser", flags->initialiser,
                 Choices(kInitialisers) + " [he-uniform with relu]")
      ->type_name("KIND");
  app.add_option("--seed", flags->seed,
                 "Seed of the initial weights, and of shuffling")
      ->check(WholeNumber(0, std::numeric_limits<uint64_t>::max()))
      ->type_name("NUMBER")
      ->capture_default_str();
  app.add_option("--digest-every", flags->digest_every,
                 "Steps between digests [the server's choice]")
      ->check(WholeNumber(1, kLargest32))
      ->type_name("STEPS");
}

absl::StatusOr<v1::SessionSpec> MakeSpec(const SpecFlags& flags,
                                         const DataShape& data) {
  v1::SessionSpec spec;
  spec.set_input_size(data.input_size);
  *spec.mutable_input() = data.format;
  if (flags.layers.empty() && data.output_size == 0)
    return UsageError("--layers", "say what to make, e.g. 128:relu,10:softmax");
  for (const std::string& layer :
       flags.layers.empty() ? DefaultLayers(data) : flags.layers) {
    absl::Status status = AddLayer(layer, &spec);
    if (!status.ok()) return status;
  }
  const bool softmax =
      spec.layers().rbegin()->activation() == v1::ACTIVATION_SOFTMAX;
  absl::StatusOr<v1::Loss> loss =
      flags.loss.empty()
          ? absl::StatusOr<v1::Loss>(softmax ? v1::LOSS_CROSS_ENTROPY
                                             : v1::LOSS_HALF_SQUARED_ERROR)
          : Choose("--loss", kLosses, flags.loss);
  if (!loss.ok()) return loss.status();
  spec.set_loss(*loss);
  absl::StatusOr<v1::InitialiserKind> initialiser =
      flags.initialiser.empty()
          ? absl::StatusOr<v1::InitialiserKind>(
                HasRelu(spec) ? v1::INITIALISER_KIND_HE_UNIFORM
                              : v1::INITIALISER_KIND_GLOROT_UNIFORM)
          : Choose("--initialiser", kInitialisers, flags.initialiser);
  if (!initialiser.ok()) return initialiser.status();
  spec.mutable_initialiser()->set_kind(*initialiser);
  spec.mutable_initialiser()->set_seed(flags.seed);
  if (!std::isfinite(flags.learning_rate) || flags.learning_rate <= 0)
    return UsageError("--learning-rate", "must be greater than 0, e.g. 0.01");
  spec.mutable_optimiser()->mutable_sgd()->set_learning_rate(
      flags.learning_rate);
  spec.set_batch_size(flags.batch_size);
  spec.set_digest_every(flags.digest_every);
  return spec;
}

std::string NetworkText(const v1::SessionSpec& spec) {
  std::string text = absl::StrCat(spec.input_size());
  for (const v1::Layer& layer : spec.layers()) {
    absl::StrAppend(&text, "-", layer.size());
    for (const auto& entry : kActivations)
      if (entry.value == layer.activation())
        absl::StrAppend(&text, ":", std::string(entry.name));
  }
  return text;
}

}  // namespace backprop::cli
