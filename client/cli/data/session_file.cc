// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/session_file.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/contract/layout.h"
#include "engine/interchange/session_tensors.h"
#include "engine/interchange/signed_zeros.h"

namespace backprop::cli {
namespace {

// Their bytes, with state, can be counted.
constexpr size_t kMostWeights = std::numeric_limits<size_t>::max() / 64;

absl::Status LacksFields(const std::string& message) {
  return absl::UnimplementedError(absl::StrCat(
      "the server's ", message,
      " has fields that this client does not know, which the file would lack: "
      "a newer client is needed"));
}

// JSON has names for fields, so one that has none here would be left out.
absl::Status CheckIsKnown(const google::protobuf::Message& message) {
  const std::unique_ptr<google::protobuf::Message> known(message.New());
  known->CopyFrom(message);
  known->DiscardUnknownFields();
  if (known->ByteSizeLong() == message.ByteSizeLong()) return absl::OkStatus();
  return LacksFields(message.GetDescriptor()->full_name());
}

absl::StatusOr<std::string> JsonOf(const google::protobuf::Message& message) {
  if (absl::Status s = CheckIsKnown(message); !s.ok()) return s;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (status.ok()) return WithSignedZeros(json);
  return absl::InternalError(absl::StrCat(
      message.GetDescriptor()->full_name(), " makes no JSON: ",
      std::string(status.message().data(), status.message().size())));
}

absl::Status FromJson(const std::string& json, const std::string& what,
                      google::protobuf::Message* message) {
  const auto status =
      google::protobuf::util::JsonStringToMessage(json, message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      what, " is not ", message->GetDescriptor()->full_name(), " as JSON: ",
      std::string(status.message().data(), status.message().size())));
}

absl::StatusOr<Layout> LayoutOf(const v1::SessionSpec& spec, int rule) {
  std::vector<size_t> sizes;
  for (const v1::Layer& layer : spec.layers()) sizes.push_back(layer.size());
  auto layout =
      Layout::Create(spec.input_size(), sizes,
                     std::max<size_t>(1, spec.batch_size()), kMostWeights);
  if (!layout.ok() || rule == v1::RULE_UNSPECIFIED) return layout;
  if (Rules::Has(rule)) return layout->WithRule(static_cast<Rule>(rule));
  return absl::InvalidArgumentError(absl::StrCat(
      "the optimiser's rule is ", rule,
      ", which this client does not know: a newer client is needed"));
}

// All of the anchor but what the tensors are.
v1::Anchor WithoutNumbers(const Anchor& anchor, bool with_state) {
  Anchor rest{.mean = anchor.mean, .factor = anchor.factor};
  if (with_state) {
    rest.step = anchor.step;
    rest.next_offset = anchor.next_offset;
    rest.digest = anchor.digest;
    rest.continuation = anchor.continuation;
  }
  return AnchorMessage(rest);
}

absl::StatusOr<v1::SessionSpec> SpecOf(const TensorFile& file) {
  const auto found = file.metadata.find(kSpecKey);
  if (found != file.metadata.end()) {
    return SpecFromJson(found->second,
                        absl::StrCat(kSpecKey, " of the metadata"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the metadata has no ", kSpecKey,
      ", which says what session its weights are of: give --spec FILE with a "
      "SessionSpec as JSON, such as {\"input_size\": 784, \"layers\": "
      "[{\"size\": 10, \"activation\": \"ACTIVATION_SOFTMAX\"}], \"loss\": "
      "\"LOSS_CROSS_ENTROPY\", \"optimiser\": {\"sgd\": {}, "
      "\"learning_rate\": 0.1}}"));
}

}  // namespace

absl::StatusOr<v1::SessionSpec> SpecFromJson(const std::string& json,
                                             const std::string& what) {
  v1::SessionSpec spec;
  if (absl::Status s = FromJson(json, what, &spec); !s.ok()) return s;
  return spec;
}

absl::StatusOr<std::string> SessionFileBytes(const Anchor& anchor,
                                             bool with_state) {
  if (anchor.has_more) return LacksFields("backprop.v1.GetWeightsResponse");
  v1::SessionSpec spec = anchor.spec;
  spec.clear_durability();
  const auto layout = LayoutOf(spec, anchor.continuation.rule());
  if (!layout.ok()) return layout.status();
  const size_t state =
      with_state ? layout->state_count() * layout->weight_count() : 0;
  if (anchor.weights.size() != layout->weight_count() ||
      (with_state && anchor.state.size() != state)) {
    return absl::DataLossError(absl::StrCat(
        "the server gave ", anchor.weights.size(), " weights and ",
        anchor.state.size(), " numbers of state, where its spec has ",
        layout->weight_count(), " and ", state));
  }
  const auto spec_json = JsonOf(spec);
  if (!spec_json.ok()) return spec_json.status();
  const auto anchor_json = JsonOf(WithoutNumbers(anchor, with_state));
  if (!anchor_json.ok()) return anchor_json.status();
  return SessionTensorBytes(
      *layout, {anchor.weights, std::span(anchor.state).first(state)},
      {{kSpecKey, *spec_json},
       {kAnchorKey, *anchor_json},
       {kStepKey, absl::StrCat(anchor.step)},
       {kDigestKey, absl::StrFormat("%016x", anchor.digest)}});
}

absl::StatusOr<v1::CreateSessionRequest> ReadSessionFile(
    std::string_view bytes, const std::optional<v1::SessionSpec>& spec) {
  const auto file = ParseSessionTensors(bytes);
  if (!file.ok()) return file.status();
  auto chosen = spec.has_value() ? *spec : SpecOf(*file);
  if (!chosen.ok()) return chosen.status();
  v1::CreateSessionRequest request;
  *request.mutable_spec() = *std::move(chosen);
  v1::Anchor& initial = *request.mutable_initial();
  if (const auto anchor = file->metadata.find(kAnchorKey);
      anchor != file->metadata.end()) {
    absl::Status status = FromJson(
        anchor->second, absl::StrCat(kAnchorKey, " of the metadata"), &initial);
    if (!status.ok()) return status;
  }
  const auto layout = LayoutOf(request.spec(), initial.continuation().rule());
  if (!layout.ok()) return layout.status();
  auto numbers = NumbersIn(*file, *layout);
  if (!numbers.ok()) return numbers.status();
  initial.set_weights(std::move(numbers->weights));
  initial.set_state(std::move(numbers->state));
  return request;
}

}  // namespace backprop::cli
