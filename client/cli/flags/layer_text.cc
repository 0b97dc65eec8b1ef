// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/layer_text.h"

#include <charconv>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

constexpr char kForm[] = "SIZE:ACTIVATION:dropout=SHARE";
constexpr char kExample[] = "128:leaky-relu=0.2:dropout=0.1,10:softmax";

absl::Status Refused(const std::string& layer, const std::string& why) {
  return UsageError("--layers", absl::StrCat("'", layer, "' ", why,
                                             "; write e.g. ", kExample));
}

bool ParseSize(const std::string& text, v1::Layer* layer) {
  uint32_t size = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, size);
  layer->set_size(size);
  return error == std::errc() && end == last;
}

absl::Status SetDropout(const std::string& text, const std::string& value,
                        v1::Layer* layer) {
  float share = 0;
  if (!absl::SimpleAtof(value, &share)) {
    return Refused(text, "has a dropout that is no number");
  }
  layer->set_dropout(share);
  return absl::OkStatus();
}

absl::Status SetActivation(const std::string& text, const std::string& name,
                           const std::string* constant, v1::Layer* layer) {
  absl::StatusOr<v1::Activation> activation =
      Choose("--layers", TableOf<v1::Activation>(), name);
  if (!activation.ok()) return activation.status();
  layer->set_activation(*activation);
  if (constant == nullptr) return absl::OkStatus();
  float number = 0;
  if (!absl::SimpleAtof(*constant, &number)) {
    return Refused(text, "has a constant that is no number");
  }
  layer->set_negative_scale(number);
  return absl::OkStatus();
}

}  // namespace

std::string LayerHelp() {
  return absl::StrCat(
      "From the first hidden layer to the output, comma-separated: ", kForm,
      ", the latter two where wanted. Activations: ",
      Choices(TableOf<v1::Activation>()),
      ". leaky-relu=C and elu=C set their constant [0.01, 1]. [128:relu, and "
      "an output that fits the data]");
}

absl::StatusOr<v1::Layer> ParseLayer(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  v1::Layer layer;
  if (!ParseSize(parts[0], &layer)) {
    return Refused(text, "does not begin with a size");
  }
  layer.set_activation(v1::ACTIVATION_IDENTITY);
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::vector<std::string> pair =
        absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    const std::string* value = pair.size() > 1 ? &pair[1] : nullptr;
    absl::Status status;
    if (pair[0] == "dropout" && value != nullptr) {
      status = SetDropout(text, *value, &layer);
    } else if (i == 1) {
      status = SetActivation(text, pair[0], value, &layer);
    } else {
      status = Refused(text, absl::StrCat("has '", parts[i],
                                          "' where only dropout=SHARE can "
                                          "stand"));
    }
    if (!status.ok()) return status;
  }
  return layer;
}

std::string ActivationText(const v1::Layer& layer) {
  std::string text(NameOf(TableOf<v1::Activation>(), layer.activation()));
  if (layer.has_negative_scale()) {
    absl::StrAppend(&text, "=", layer.negative_scale());
  }
  return text;
}

std::string NetworkText(const v1::SessionSpec& spec) {
  std::string text = absl::StrCat(spec.input_size());
  for (const v1::Layer& layer : spec.layers()) {
    absl::StrAppend(&text, "-", layer.size(), ":", ActivationText(layer));
    if (layer.dropout() > 0) {
      absl::StrAppend(&text, ":dropout=", layer.dropout());
    }
  }
  return text;
}

}  // namespace backprop::cli
