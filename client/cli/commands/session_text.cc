// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/session_text.h"

#include <array>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/flags/layer_text.h"
#include "client/cli/flags/spec_text.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/table.h"
#include "client/cli/text/wrapped.h"

namespace backprop::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// What 80 columns leave beside the longest label, "learning rate".
constexpr size_t kValueColumns = 65;

// format: strftime's. UTC, so that it reads the same wherever it is typed.
std::string TimeText(const google::protobuf::Timestamp& time,
                     const char* format) {
  const auto seconds = static_cast<std::time_t>(time.seconds());
  std::tm parts{};
  std::array<char, 64> text{};
  if (gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), format, &parts) == 0) {
    return "?";
  }
  return text.data();
}

// How much room so many vectors as long as the weights take.
std::string SizeText(const v1::Layout& layout, uint64_t vectors) {
  return ByteText(static_cast<double>(layout.weight_count()) *
                  static_cast<double>(vectors * sizeof(float)));
}

void AddSettings(const v1::Session& session, Rows* rows) {
  const v1::SessionSpec& spec = session.spec();
  const v1::Optimiser& optimiser = spec.optimiser();
  rows->push_back({"input", InputText(spec)});
  rows->push_back({"initialiser", InitialiserText(spec)});
  rows->push_back({"loss", LossNumbers(spec)});
  rows->push_back({"optimiser", OptimiserNumbers(optimiser)});
  if (const std::string decay = DecayText(optimiser); !decay.empty()) {
    rows->push_back({"decay", decay});
  }
  if (const std::string clipping = ClippingText(optimiser.clipping());
      !clipping.empty()) {
    rows->push_back({"clipping", clipping});
  }
  rows->push_back({"schedule", ScheduleNumbers(optimiser.schedule())});
  rows->push_back({"batch size",
                   absl::StrCat(Grouped(spec.batch_size()),
                                spec.batch_size() == 1 ? " sample" : " samples",
                                " a step")});
  rows->push_back(
      {"digests", absl::StrCat("every ", Grouped(spec.digest_every()),
                               spec.digest_every() == 1 ? " step" : " steps")});
}

void AddState(const v1::Session& session, Rows* rows) {
  rows->push_back({"step", Grouped(session.step())});
  rows->push_back({"next offset", Grouped(session.next_offset())});
  rows->push_back({"learning rate",
                   absl::StrCat(session.learning_rate(), " in the next step")});
  rows->push_back({"writer", session.has_writer() ? "a client trains it now"
                                                  : "none at the moment"});
  rows->push_back(
      {"created", TimeText(session.create_time(), "%Y-%m-%d %H:%M:%S UTC")});
  if (!session.forked_from().empty()) {
    rows->push_back({"forked from", session.forked_from()});
  }
}

// A line for each, and more where it is too long for one.
std::string SettingsText(const Rows& settings) {
  Rows rows;
  for (const std::vector<std::string>& setting : settings) {
    std::string label = setting[0];
    const std::vector<std::string> lines =
        absl::StrSplit(Wrapped(setting[1], kValueColumns), '\n');
    for (const std::string& line : lines) {
      rows.push_back({std::exchange(label, ""), line});
    }
  }
  return TableText({{""}, {""}}, rows);
}

std::string LayersText(const v1::Session& session) {
  Rows rows;
  const int layers =
      std::min(session.spec().layers_size(), session.layout().layers_size());
  for (int k = 0; k < layers; ++k) {
    const v1::Layer& layer = session.spec().layers(k);
    const v1::LayerLayout& place = session.layout().layers(k);
    const uint64_t weights =
        (uint64_t{place.inputs()} + 1) * uint64_t{place.outputs()};
    rows.push_back(
        {absl::StrCat(k + 1), Grouped(place.inputs()), Grouped(place.outputs()),
         ActivationText(layer),
         layer.dropout() > 0 ? absl::StrCat(layer.dropout()) : "none",
         Grouped(weights),
         place.delta_form() == v1::DELTA_FORM_DENSE ? "dense" : "factored"});
  }
  return TableText({{"LAYER", Align::kRight},
                    {"INPUTS", Align::kRight},
                    {"OUTPUTS", Align::kRight},
                    {"ACTIVATION"},
                    {"DROPOUT"},
                    {"WEIGHTS", Align::kRight},
                    {"DELTAS"}},
                   rows);
}

}  // namespace

std::string SessionListText(const std::vector<v1::Session>& sessions) {
  Rows rows;
  for (const v1::Session& session : sessions) {
    rows.push_back({session.session_id(), Grouped(session.step()),
                    session.has_writer() ? "training" : "idle",
                    TimeText(session.create_time(), "%Y-%m-%d %H:%M"),
                    NetworkText(session.spec())});
  }
  return TableText({{"SESSION"},
                    {"STEP", Align::kRight},
                    {"STATE"},
                    {"CREATED (UTC)"},
                    {"NETWORK"}},
                   rows);
}

std::string SessionText(const v1::Session& session) {
  const v1::Layout& layout = session.layout();
  Rows rows = {{"session", session.session_id()},
               {"network", NetworkText(session.spec())},
               {"weights", absl::StrCat(Grouped(layout.weight_count()), ", ",
                                        SizeText(layout, 1))}};
  if (layout.state_count() > 0) {
    rows.push_back(
        {"state",
         absl::StrCat(layout.state_count(),
                      layout.state_count() == 1 ? " number" : " numbers",
                      " a weight, ", SizeText(layout, layout.state_count()))});
  }
  AddSettings(session, &rows);
  AddState(session, &rows);
  return absl::StrCat(SettingsText(rows), "\n", LayersText(session));
}

}  // namespace backprop::cli
