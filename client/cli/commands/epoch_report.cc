// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/epoch_report.h"

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/text/number_text.h"

namespace backprop::cli {
namespace {

// Long enough to read what the last epoch came to before the next one's bar
// takes its place.
constexpr auto kReadingTime = std::chrono::milliseconds(500);

// Where people look: at standard output; else the bar at least goes to standard
// error.
Terminal ChooseTerminal(bool json) {
  Terminal terminal = json ? Terminal() : StandardOutput();
  return terminal.write != nullptr ? terminal : StandardError();
}

std::string TestText(const v1::Session& session, const TestResult& test) {
  return IsClassifier(session)
             ? absl::StrFormat("test accuracy %.4f", test->accuracy())
             : absl::StrFormat("test error %.6f", test->error());
}

}  // namespace

uint64_t SamplesPerSecond(uint64_t samples, double seconds) {
  if (seconds <= 0) return 0;
  return static_cast<uint64_t>(
      std::llround(static_cast<double>(samples) / seconds));
}

bool IsClassifier(const v1::Session& session) {
  return OutputSize(session.spec()) > 1;
}

void AddTest(const v1::Session& session, const TestResult& test, Json* object) {
  if (!test.has_value()) return;
  (*object)["test_error"] = test->error();
  (*object)["test_plain_error"] = test->plain_error();
  if (IsClassifier(session)) (*object)["test_accuracy"] = test->accuracy();
}

EpochReport::EpochReport(bool json, const TrainFlags& flags,
                         const v1::Session& session)
    : json_(json),
      most_epochs_(flags.most_epochs()),
      error_decides_(flags.until_error.has_value()),
      session_(session),
      live_(!json && StandardOutput().write != nullptr),
      thinning_(most_epochs_, error_decides_ ? LineThinning::Spread::kWidening
                                             : LineThinning::Spread::kEven),
      line_(ChooseTerminal(json)),
      progress_(line_, live_ ? kReadingTime : std::chrono::milliseconds(0)) {}

std::string EpochReport::Title(size_t epoch) const {
  if (error_decides_) return absl::StrFormat("epoch %d", epoch);
  const size_t width = std::to_string(most_epochs_).size();
  return absl::StrFormat("epoch %*d/%d", width, epoch, most_epochs_);
}

void EpochReport::Tell(size_t epoch, const EpochResult& result,
                       const TestResult& test) {
  const uint64_t rate = SamplesPerSecond(result.samples, result.seconds);
  if (json_) {
    Json object = {{"event", "epoch"},
                   {"epoch", epoch},
                   {"error", result.error},
                   {"samples", result.samples},
                   {"samples_per_second", rate}};
    AddTest(session_, test, &object);
    line_.Clear();
    PrintJson(object);
    return;
  }
  std::vector<std::string> parts = {
      Title(epoch), absl::StrFormat("error %.6f", result.error)};
  if (test.has_value()) {
    parts.push_back(TestText(session_, test));
    progress_.SetAside(parts.back());
  }
  parts.push_back(Grouped(rate) + " samples/s");
  if (live_) line_.Show(Fitted(parts, line_.columns()));
  untold_.clear();
  if (live_ || !thinning_.Tells(epoch)) {
    untold_ = std::move(parts);
  } else {
    Print(parts);
  }
}

void EpochReport::Interject(const std::string& text) {
  line_.Clear();
  std::cerr << "backprop: " << text << std::endl;
}

void EpochReport::End() {
  if (!untold_.empty()) Print(std::exchange(untold_, {}));
  line_.Clear();
}

void EpochReport::Print(const std::vector<std::string>& parts) {
  if (live_) {
    line_.Keep(Fitted(parts, line_.columns()));
    return;
  }
  line_.Clear();
  std::cout << absl::StrJoin(parts, "   ") << std::endl;
}

}  // namespace backprop::cli
