// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/bench_session.h"

#include <chrono>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/forget_session.h"
#include "client/cli/flags/command.h"

namespace backprop::cli {
namespace {

// A step of a large network may take long.
constexpr auto kPatience = std::chrono::seconds(60);

std::string RandomId() {
  std::random_device random;
  std::string id = "backprop-bench";
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, "-", random());
  return id;
}

// Whether the server may have done what was asked though a call ended so.
bool MayBeDone(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::StatusOr<v1::Session> MakeBenchSession(TrainingClient& client,
                                             const v1::SessionSpec& spec) {
  v1::CreateSessionRequest request;
  *request.mutable_spec() = spec;
  request.set_request_id(RandomId());
  absl::StatusOr<v1::Session> session = client.CreateSession(request);
  if (session.ok() || !MayBeDone(session.status())) return session;
  // With the same id this gives the session that was made, if one was.
  const absl::StatusOr<v1::Session> again = client.CreateSession(request);
  if (again.ok()) {
    return ForgetBenchSession(client, *again, session.status());
  }
  return Retold(session.status(),
                absl::StrCat(session.status().message(), ". A session called '",
                             spec.display_name(),
                             "' may be left: look at backprop session list"));
}

absl::Status ForgetBenchSession(TrainingClient& client,
                                const v1::Session& session,
                                const absl::Status& status) {
  const std::string& id = session.session_id();
  const absl::Status forgotten = ForgetSession(client, id, kPatience);
  if (forgotten.ok() || absl::IsNotFound(forgotten)) return status;
  const absl::Status& first = status.ok() ? forgotten : status;
  return Retold(first,
                absl::StrCat(first.message(), ". Session ", id,
                             " may be left: backprop session delete ", id));
}

}  // namespace backprop::cli
