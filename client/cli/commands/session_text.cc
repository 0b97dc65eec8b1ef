// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/session_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/flags/layer_text.h"
#include "client/cli/flags/spec_text.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/settings_text.h"
#include "client/cli/text/table.h"
#include "client/cli/text/time_text.h"
#include "client/cpp/readable_text.h"

namespace backprop::cli {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;
using Rows = std::vector<std::vector<std::string>>;

// How much room so many vectors as long as the weights take.
std::string SizeText(const v1::Layout& layout, uint64_t vectors) {
  return ByteText(static_cast<double>(layout.weight_count()) *
                  static_cast<double>(vectors * sizeof(float)));
}

void AddSettings(const v1::Session& session, Settings* settings) {
  const v1::SessionSpec& spec = session.spec();
  const v1::Optimiser& optimiser = spec.optimiser();
  settings->push_back({"input", InputText(spec)});
  settings->push_back({"initialiser", InitialiserText(spec)});
  settings->push_back({"loss", LossNumbers(spec)});
  settings->push_back({"optimiser", OptimiserNumbers(optimiser)});
  if (const std::string decay = DecayText(optimiser); !decay.empty()) {
    settings->push_back({"decay", decay});
  }
  if (const std::string clipping = ClippingText(optimiser.clipping());
      !clipping.empty()) {
    settings->push_back({"clipping", clipping});
  }
  settings->push_back({"schedule", ScheduleNumbers(optimiser.schedule())});
  settings->push_back(
      {"batch size",
       absl::StrCat(Grouped(spec.batch_size()),
                    spec.batch_size() == 1 ? " sample" : " samples",
                    " a step")});
  settings->push_back(
      {"digests", absl::StrCat("every ", Grouped(spec.digest_every()),
                               spec.digest_every() == 1 ? " step" : " steps")});
}

// What a crash would leave of it: nothing of a session in memory only, nor of
// one on a server that knows no others.
std::string DurableText(const v1::Session& session) {
  const bool is_durable =
      session.spec().durability().mode() == v1::DURABILITY_MODE_DURABLE;
  return is_durable ? Grouped(session.durable_step()) : "-";
}

// Of bytes that there may be none of.
std::string HeldText(uint64_t bytes) {
  return bytes == 0 ? "-" : ByteText(static_cast<double>(bytes));
}

void AddWhereItIs(const v1::Session& session, Settings* settings) {
  if (session.spec().durability().mode() != v1::DURABILITY_MODE_DURABLE) return;
  settings->push_back(
      {"durable",
       absl::StrCat("step ", Grouped(session.durable_step()), ", offset ",
                    Grouped(session.durable_offset()))});
  settings->push_back({"epoch", Grouped(session.epoch())});
  settings->push_back(
      {"in memory", session.resident()
                        ? HeldText(session.resident_bytes())
                        : "no: it is brought back when it is used"});
  settings->push_back({"in the store", HeldText(session.stored_bytes())});
}

void AddState(const v1::Session& session, Settings* settings) {
  settings->push_back({"step", Grouped(session.step())});
  settings->push_back({"next offset", Grouped(session.next_offset())});
  AddWhereItIs(session, settings);
  if (session.has_history_first_step()) {
    settings->push_back(
        {"history",
         absl::StrCat("back to step ", Grouped(session.history_first_step()))});
  }
  settings->push_back({"learning rate", absl::StrCat(session.learning_rate(),
                                                     " in the next step")});
  settings->push_back({"writer", session.has_writer() ? "a client trains it now"
                                                      : "none at the moment"});
  settings->push_back(
      {"created", TimeText(session.create_time().seconds(), kWholeMoment)});
  if (!session.forked_from().empty()) {
    settings->push_back({"forked from", session.forked_from()});
  }
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
  std::vector<Column> columns = {{"SESSION"},
                                 {"STEP", Align::kRight},
                                 {"DURABLE", Align::kRight},
                                 {"STATE"},
                                 {"MEMORY", Align::kRight},
                                 {"STORE", Align::kRight},
                                 {"CREATED (UTC)"},
                                 {"NETWORK"}};
  Rows rows;
  for (const v1::Session& session : sessions) {
    if (!session.damage().empty()) {
      rows.push_back({session.session_id(), "-", "-", "damaged", "-", "-", "-",
                      "can't be brought back: backpropd check says why"});
      continue;
    }
    rows.push_back(
        {session.session_id(), Grouped(session.step()), DurableText(session),
         session.has_writer() ? "training" : "idle",
         HeldText(session.resident_bytes()), HeldText(session.stored_bytes()),
         TimeText(session.create_time().seconds(), "%Y-%m-%d %H:%M"),
         NetworkText(session.spec())});
  }
  const auto is_named = [](const v1::Session& session) {
    return !session.spec().display_name().empty();
  };
  if (std::ranges::any_of(sessions, is_named)) {
    columns.insert(columns.begin() + 1, {"NAME"});
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].insert(rows[i].begin() + 1, sessions[i].spec().display_name());
    }
  }
  return ReadableText(TableText(columns, rows));
}

std::string SessionText(const v1::Session& session) {
  const v1::Layout& layout = session.layout();
  Settings settings = {{"session", session.session_id()},
                       {"network", NetworkText(session.spec())},
                       {"weights", absl::StrCat(Grouped(layout.weight_count()),
                                                ", ", SizeText(layout, 1))}};
  if (layout.state_count() > 0) {
    settings.push_back(
        {"state",
         absl::StrCat(layout.state_count(),
                      layout.state_count() == 1 ? " number" : " numbers",
                      " a weight, ", SizeText(layout, layout.state_count()))});
  }
  if (const std::string& name = session.spec().display_name(); !name.empty()) {
    settings.insert(settings.begin() + 1, {"name", name});
  }
  AddSettings(session, &settings);
  AddState(session, &settings);
  return ReadableText(
      absl::StrCat(SettingsText(settings), "\n", LayersText(session)));
}

}  // namespace backprop::cli
