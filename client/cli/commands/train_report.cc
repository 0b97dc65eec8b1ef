// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/train_report.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/layer_text.h"
#include "client/cli/flags/optimiser_flags.h"
#include "client/cli/text/number_text.h"

namespace backprop::cli {
namespace {

uint64_t DenseBytes(const v1::Session& session, const TrainingTotals& totals) {
  return totals.steps * session.layout().weight_count() * sizeof(float);
}

Json EndObject(const v1::Session& session, const TrainingTotals& totals,
               const TestResult& test,
               const std::optional<ReplicaCheck>& replica, size_t left_over) {
  Json object = {
      {"event", "done"},
      {"session_id", session.session_id()},
      {"steps", totals.steps},
      {"samples", totals.samples},
      {"samples_per_second", SamplesPerSecond(totals.samples, totals.seconds)},
      {"left_over_samples", left_over},
      {"delta_bytes", totals.delta_bytes},
      {"dense_delta_bytes", DenseBytes(session, totals)}};
  AddTest(session, test, &object);
  object["replica"] = !replica.has_value()    ? "not kept"
                      : replica->verdict.ok() ? "identical"
                                              : "different";
  if (replica.has_value()) {
    object["digest"] = DigestText(replica->digest);
    object["server_digest"] = DigestText(replica->server_digest);
  }
  return object;
}

void PrintReplica(const std::optional<ReplicaCheck>& replica) {
  std::cout << "replica:       ";
  if (!replica.has_value()) {
    std::cout << "not kept\n";
  } else if (replica->verdict.ok()) {
    std::cout << "identical (digest " << DigestText(replica->digest) << ")\n";
  } else {
    std::cout << "DIFFERENT (digest " << DigestText(replica->digest)
              << ", the server's is " << DigestText(replica->server_digest)
              << ")\n";
  }
}

}  // namespace

void TrainReport::Begin(const Dataset& dataset, bool created) const {
  const v1::SessionSpec& spec = session_.spec();
  if (json_) {
    Json object = {{"event", "session"},
                   {"session_id", session_.session_id()},
                   {"created", created},
                   {"step", session_.step()},
                   {"weights", session_.layout().weight_count()},
                   {"samples", dataset.samples}};
    if (!dataset.class_names.empty()) object["classes"] = dataset.class_names;
    PrintJson(object);
    return;
  }
  std::cout << absl::StrFormat(
      "session %s: %s, %s weights, %s, %d sample%s a step%s\n",
      session_.session_id(), NetworkText(spec),
      Grouped(session_.layout().weight_count()),
      OptimiserText(spec.optimiser()), spec.batch_size(),
      spec.batch_size() == 1 ? "" : "s",
      created ? "" : ", at step " + Grouped(session_.step()));
  if (!dataset.class_names.empty()) {
    std::cout << "classes: " << absl::StrJoin(dataset.class_names, ",") << "\n";
  }
  if (spec.input().standardisation().learn_samples() > 0) {
    std::cout << "inputs are standardised as the first "
              << Grouped(spec.input().standardisation().learn_samples())
              << " samples were\n";
  }
  std::cout << "training on " << Grouped(dataset.samples) << " samples";
  if (flags_.until_error.has_value()) {
    std::cout << absl::StrFormat(" until the error is %g, %s epochs at most",
                                 *flags_.until_error,
                                 Grouped(flags_.most_epochs()));
  }
  std::cout << std::endl;
}

void TrainReport::Resumed(const Resumption& resumption) {
  breaks_.Resumed(resumption);
  if (!json_) return;
  PrintJson({{"event", "resumed"},
             {"epoch", resumption.epoch},
             {"step_before", resumption.step_before},
             {"step", resumption.step},
             {"samples_resent", resumption.samples_resent},
             {"samples_repeated", resumption.samples_repeated}});
}

void TrainReport::End(const TrainingTotals& totals, const TestResult& test,
                      const std::optional<ReplicaCheck>& replica,
                      size_t left_over) const {
  if (json_) {
    PrintJson(EndObject(session_, totals, test, replica, left_over));
    return;
  }
  if (left_over > 0) {
    std::cout << absl::StrFormat(
        "note: %d samples were left over: a step takes %d\n", left_over,
        session_.spec().batch_size());
  }
  if (test.has_value() && IsClassifier(session_)) {
    std::cout << absl::StrFormat("test accuracy: %.4f (%s samples)\n",
                                 test->accuracy(), Grouped(test->samples()));
  }
  if (test.has_value() && !IsClassifier(session_)) {
    std::cout << absl::StrFormat("test error:    %.6f (%s samples)\n",
                                 test->error(), Grouped(test->samples()));
  }
  const auto dense = static_cast<double>(DenseBytes(session_, totals));
  std::cout << "steps:         " << Grouped(totals.steps) << "\n"
            << "samples/s:     "
            << Grouped(SamplesPerSecond(totals.samples, totals.seconds)) << "\n"
            << "deltas:        ";
  if (totals.delta_bytes == 0) {
    std::cout << "none received; dense ones would have been " << ByteText(dense)
              << "\n";
  } else {
    std::cout << ByteText(static_cast<double>(totals.delta_bytes))
              << " received; dense deltas would have been " << ByteText(dense)
              << absl::StrFormat(
                     " (1/%.0f)\n",
                     dense / static_cast<double>(totals.delta_bytes));
  }
  PrintReplica(replica);
  std::cout << std::flush;
}

void TrainReport::Saved(const Replica& replica) const {
  if (json_) {
    PrintJson({{"event", "saved"},
               {"output", flags_.output},
               {"step", replica.step()},
               {"digest", DigestText(replica.digest())}});
  } else {
    std::cout << "weights:       those of step " << Grouped(replica.step())
              << " are in " << flags_.output << std::endl;
  }
}

void TrainReport::Note(const std::string& text) const {
  if (json_) {
    PrintJson({{"event", "note"}, {"message", text}});
  } else {
    std::cout << "note: " << text << std::endl;
  }
}

void TrainReport::Kept() const {
  if (json_) return;  // the id stands in every object
  std::cout << "session " << session_.session_id()
            << " is kept: go on with --session " << session_.session_id()
            << std::endl;
}

}  // namespace backprop::cli
