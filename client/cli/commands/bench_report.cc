// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/bench_report.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/commands/message_json.h"
#include "client/cli/commands/server_text.h"
#include "client/cli/flags/layer_text.h"
#include "client/cli/flags/optimiser_flags.h"
#include "client/cli/flags/spec_text.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/settings_text.h"
#include "client/cli/text/table.h"
#include "client/cpp/readable_text.h"

namespace backprop::cli {
namespace {

uint64_t Rounded(double number) {
  return static_cast<uint64_t>(std::llround(number));
}

size_t Milliseconds(BenchReport::Clock::duration duration) {
  return static_cast<size_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

double PerStep(uint64_t bytes, const BenchFigures& figures) {
  return static_cast<double>(bytes) /
         static_cast<double>(std::max<uint64_t>(1, figures.measured.steps));
}

std::string BytesPerStep(uint64_t bytes, const BenchFigures& figures) {
  return Grouped(Rounded(PerStep(bytes, figures))) + " B";
}

// "112 us", "3.51 ms"
std::string LatencyText(float microseconds) {
  // What would be rounded to 1000 us is 1.00 ms.
  if (microseconds < 999.5F) return absl::StrFormat("%.0f us", microseconds);
  return absl::StrFormat("%.*f ms", microseconds < 100'000 ? 2 : 0,
                         microseconds / 1000);
}

Json LatencyJson(const std::vector<float>& latencies) {
  const auto tenths = [&](double share) {
    return std::round(10.0 * Percentile(latencies, share)) / 10;
  };
  return {{"p50", tenths(0.5)}, {"p90", tenths(0.9)}, {"p99", tenths(0.99)}};
}

Json RowJson(const BenchRow& row) {
  const BenchFigures& figures = row.figures;
  Json object = {
      {"event", "row"},
      {"samples_per_message", row.way.samples_per_message},
      {"one_by_one", !row.way.ahead},
      {"deltas", row.way.deltas},
      {"seconds", figures.seconds},
      {"samples", figures.measured.samples},
      {"steps", figures.measured.steps},
      {"samples_per_second", Rounded(figures.samples_per_second())},
      {"sent_bytes_per_step", PerStep(figures.measured.sent_bytes, figures)},
      {"received_bytes_per_step",
       PerStep(figures.measured.received_bytes, figures)}};
  if (!figures.latencies.empty()) {
    object["latency_us"] = LatencyJson(figures.latencies);
  }
  return object;
}

// How it ended: all that was answered, what was not measured included. In rows
// that were cut, more was sent.
Json DoneJson(const std::vector<BenchRow>& rows) {
  BenchCounts all;
  uint64_t cut = 0;
  for (const BenchRow& row : rows) {
    all += row.figures.all;
    cut += row.cut ? 1 : 0;
  }
  return {{"event", "done"},
          {"rows", rows.size()},
          {"cut_rows", cut},
          {"samples", all.samples},
          {"steps", all.steps},
          {"sent_bytes", all.sent_bytes},
          {"received_bytes", all.received_bytes}};
}

}  // namespace

std::string BenchText(const std::vector<BenchRow>& rows) {
  std::vector<std::vector<std::string>> lines;
  std::string latency;
  for (const BenchRow& row : rows) {
    const BenchFigures& figures = row.figures;
    lines.push_back({absl::StrCat(Grouped(row.way.samples_per_message),
                                  row.way.ahead ? "" : ", one by one"),
                     row.way.deltas ? "yes" : "no",
                     Grouped(Rounded(figures.samples_per_second())),
                     BytesPerStep(figures.measured.sent_bytes, figures),
                     BytesPerStep(figures.measured.received_bytes, figures)});
    if (figures.latencies.empty()) continue;
    latency = absl::StrFormat(
        "\nAn answer, one by one: %s (p50), %s (p90), %s (p99).\n",
        LatencyText(Percentile(figures.latencies, 0.5)),
        LatencyText(Percentile(figures.latencies, 0.9)),
        LatencyText(Percentile(figures.latencies, 0.99)));
  }
  return TableText({{"SAMPLES A MESSAGE"},
                    {"DELTAS"},
                    {"SAMPLES/S", Align::kRight},
                    {"SENT A STEP", Align::kRight},
                    {"RECEIVED A STEP", Align::kRight}},
                   lines) +
         latency;
}

BenchReport::BenchReport(const GlobalFlags& global,
                         const v1::GetServerInfoResponse& server,
                         Clock::duration length)
    : global_(global),
      server_(server),
      length_(length),
      line_(StandardError()),
      progress_(line_, std::chrono::milliseconds(0)) {}

void BenchReport::Begin(const v1::Session& session) {
  told_ = true;
  const v1::SessionSpec& spec = session.spec();
  const std::string network = NetworkText(spec);
  const uint64_t weights = session.layout().weight_count();
  const std::string optimiser = OptimiserText(spec.optimiser());
  if (global_.json) {
    PrintJson({{"event", "measuring"},
               {"address", global_.address},
               {"server", Json::parse(MessageJson(server_))},
               {"network", network},
               {"weights", weights},
               {"inputs", InputText(spec)},
               {"optimiser", optimiser},
               {"batch_size", spec.batch_size()}});
    return;
  }
  auto settings = ServerSettings(global_.address, server_);
  settings.emplace_back(
      "network", absl::StrCat(network, ", ", Grouped(weights), " weights"));
  settings.emplace_back("inputs", InputText(spec));
  settings.emplace_back("optimiser", optimiser);
  settings.emplace_back(
      "batch size", absl::StrCat(Grouped(spec.batch_size()),
                                 spec.batch_size() == 1 ? " sample a step"
                                                        : " samples a step"));
  std::cout << ReadableText(SettingsText(settings)) << std::endl;
}

void BenchReport::LeaveOut(const BenchWay& way, const std::string& why) {
  line_.Clear();
  const std::string text = absl::StrCat(WayText(way), " left out: ", why);
  if (global_.json) {
    PrintJson({{"event", "note"}, {"message", text}});
  } else {
    std::cout << "note: " << text << std::endl;
  }
}

void BenchReport::Show(const BenchWay& way, double rate) {
  if (!progress_.Due()) return;
  progress_.Begin(WayText(way), Milliseconds(length_));
  progress_.Show(Milliseconds(Clock::now() - begun_),
                 Grouped(Rounded(rate)) + " samples/s");
}

void BenchReport::Add(BenchRow row) {
  rows_.push_back(std::move(row));
  if (!global_.json) return;
  line_.Clear();
  PrintJson(RowJson(rows_.back()));
}

void BenchReport::End() {
  line_.Clear();
  if (global_.json) {
    if (told_) PrintJson(DoneJson(rows_));
  } else if (!rows_.empty()) {
    std::cout << BenchText(rows_) << std::flush;
  }
}

}  // namespace backprop::cli
