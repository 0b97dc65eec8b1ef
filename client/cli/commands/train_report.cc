// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/train_report.h"

#include <iostream>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/layer_text.h"
#include "client/cli/flags/optimiser_flags.h"
#include "client/cli/text/number_text.h"

namespace backprop::cli {
namespace {

uint64_t Rate(uint64_t samples, double seconds) {
  return seconds <= 0 ? 0
                      : static_cast<uint64_t>(
                            static_cast<double>(samples) / seconds + 0.5);
}

uint64_t DenseBytes(const v1::Session& session, const TrainingTotals& totals) {
  return totals.steps * session.layout().weight_count() * sizeof(float);
}

// Accuracy says nothing where a number is to be met.
bool IsClassifier(const v1::Session& session) {
  return OutputSize(session.spec()) > 1;
}

void AddTest(const v1::Session& session, const TestResult& test, Json* object) {
  if (!test.has_value()) return;
  (*object)["test_error"] = test->error();
  (*object)["test_plain_error"] = test->plain_error();
  if (IsClassifier(session)) (*object)["test_accuracy"] = test->accuracy();
}

Json EndObject(const v1::Session& session, const TrainingTotals& totals,
               const TestResult& test,
               const std::optional<ReplicaCheck>& replica, size_t left_over) {
  Json object = {{"event", "done"},
                 {"session_id", session.session_id()},
                 {"steps", totals.steps},
                 {"samples", totals.samples},
                 {"samples_per_second", Rate(totals.samples, totals.seconds)},
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
  if (!replica.has_value())
    std::cout << "not kept\n";
  else if (replica->verdict.ok())
    std::cout << "identical (digest " << DigestText(replica->digest) << ")\n";
  else
    std::cout << "DIFFERENT (digest " << DigestText(replica->digest)
              << ", the server's is " << DigestText(replica->server_digest)
              << ")\n";
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
  if (!dataset.class_names.empty())
    std::cout << "classes: " << absl::StrJoin(dataset.class_names, ",") << "\n";
  if (spec.input().standardisation().learn_samples() > 0)
    std::cout << "inputs are standardised as the first "
              << Grouped(spec.input().standardisation().learn_samples())
              << " samples were\n";
  std::cout << "training on " << Grouped(dataset.samples) << " samples"
            << std::endl;
}

void TrainReport::Epoch(size_t epoch, const EpochResult& result,
                        const TestResult& test) const {
  const uint64_t rate = Rate(result.samples, result.seconds);
  if (json_) {
    Json object = {{"event", "epoch"},
                   {"epoch", epoch},
                   {"error", result.error},
                   {"samples", result.samples},
                   {"samples_per_second", rate}};
    AddTest(session_, test, &object);
    PrintJson(object);
    return;
  }
  const size_t width = std::to_string(epochs_).size();
  std::cout << absl::StrFormat("epoch %*d/%d   error %.6f", width, epoch,
                               epochs_, result.error);
  if (test.has_value() && IsClassifier(session_))
    std::cout << absl::StrFormat("   test accuracy %.4f", test->accuracy());
  if (test.has_value() && !IsClassifier(session_))
    std::cout << absl::StrFormat("   test error %.6f", test->error());
  std::cout << "   " << Grouped(rate) << " samples/s" << std::endl;
}

void TrainReport::End(const TrainingTotals& totals, const TestResult& test,
                      const std::optional<ReplicaCheck>& replica,
                      size_t left_over) const {
  if (json_) {
    PrintJson(EndObject(session_, totals, test, replica, left_over));
    return;
  }
  if (left_over > 0)
    std::cout << absl::StrFormat(
        "note: %d samples were left over: a step takes %d\n", left_over,
        session_.spec().batch_size());
  if (test.has_value() && IsClassifier(session_))
    std::cout << absl::StrFormat("test accuracy: %.4f (%s samples)\n",
                                 test->accuracy(), Grouped(test->samples()));
  if (test.has_value() && !IsClassifier(session_))
    std::cout << absl::StrFormat("test error:    %.6f (%s samples)\n",
                                 test->error(), Grouped(test->samples()));
  const auto dense = static_cast<double>(DenseBytes(session_, totals));
  std::cout << "steps:         " << Grouped(totals.steps) << "\n"
            << "samples/s:     "
            << Grouped(Rate(totals.samples, totals.seconds)) << "\n"
            << "deltas:        ";
  if (totals.delta_bytes == 0)
    std::cout << "none received; dense ones would have been " << ByteText(dense)
              << "\n";
  else
    std::cout << ByteText(static_cast<double>(totals.delta_bytes))
              << " received; dense deltas would have been " << ByteText(dense)
              << absl::StrFormat(
                     " (1/%.0f)\n",
                     dense / static_cast<double>(totals.delta_bytes));
  PrintReplica(replica);
  std::cout << std::flush;
}

void TrainReport::Note(const std::string& text) const {
  if (json_)
    PrintJson({{"event", "note"}, {"message", text}});
  else
    std::cout << "note: " << text << std::endl;
}

void TrainReport::Kept() const {
  if (json_) return;  // the id stands in every object
  std::cout << "session " << session_.session_id()
            << " is kept: go on with --session " << session_.session_id()
            << std::endl;
}

}  // namespace backprop::cli
