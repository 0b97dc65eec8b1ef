// SPDX-License-Identifier: Apache-2.0
#include "server/offline/export_session.h"

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/interchange/session_tensors.h"
#include "engine/interchange/whole_file.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/session_table.h"
#include "server/sessions/stored_record.h"
#include "server/store/sqlite_check.h"
#include "server/store/store.h"
#include "server/translation/session_metadata.h"
#include "server/translation/stored_session.h"

namespace backprop {
namespace {

constexpr size_t kAnyCount = std::numeric_limits<size_t>::max();

absl::Status IsThere(const std::string& file) {
  return absl::AlreadyExistsError(
      absl::StrCat(file, " is there already: --force writes over it"));
}

// Before the session is read.
absl::Status CheckIsFree(const SessionExport& request) {
  std::error_code error;
  if (request.force || !std::filesystem::exists(std::filesystem::symlink_status(
                           request.file, error))) {
    return absl::OkStatus();
  }
  return IsThere(request.file);
}

absl::Status NoSuchSession(const std::string& id) {
  return absl::NotFoundError(
      absl::StrCat("there is no session ", id,
                   ": `backprop session list` tells the ids while a server "
                   "runs on the directory"));
}

absl::Status Damaged(const std::string& data_dir, const absl::Status& status) {
  return absl::DataLossError(absl::StrCat(std::string(status.message()),
                                          " (`backpropd check ", data_dir,
                                          "` tells all that is wrong there)"));
}

// It keeps the table's room as long as it lives, so the table comes from the
// caller.
absl::StatusOr<std::shared_ptr<Session>> ReadSession(ReadableStore& store,
                                                     const std::string& id,
                                                     SessionTable& sessions) {
  const auto stored = store.Load(id);
  if (absl::IsNotFound(stored.status())) return NoSuchSession(id);
  if (!stored.ok()) return stored.status();
  const ProtoCodec codec;
  const auto record = ReadRecord(*stored, codec, store);
  if (!record.ok()) return record.status();
  return sessions.MakeApart(*record, [&](Session& session) {
    return RestoreSession(*stored, *record, store, session);
  });
}

absl::StatusOr<ExportedSession> WriteSession(Session& session,
                                             const SessionExport& request) {
  SessionNumbers numbers{.weights = session.weights(), .state = {}};
  if (request.with_state) numbers.state = session.state();
  auto metadata = SessionMetadata(session, request.with_state);
  if (!metadata.ok()) return metadata.status();
  const std::string bytes =
      SessionTensorBytes(session.layout(), numbers, *std::move(metadata));
  absl::Status written =
      WriteWhole(request.file, bytes,
                 request.force ? IfThere::kReplace : IfThere::kRefuse);
  if (absl::IsAlreadyExists(written)) return IsThere(request.file);
  if (!written.ok()) return written;
  return ExportedSession{.step = session.standing().progress.step,
                         .digest = session.WeightsDigest(),
                         .weights = numbers.weights.size(),
                         .state = numbers.state.size()};
}

absl::StatusOr<ExportedSession> Export(const DataDir& held,
                                       const SessionExport& request) {
  const auto store = LookIntoSqliteStore(held.path());
  if (!store.ok()) {
    return absl::FailedPreconditionError(std::string(store.status().message()));
  }
  SessionTable sessions({.sessions = 1, .total_weights = kAnyCount}, [] {
    return std::make_shared<DeltaFeed>(
        0, [](const std::function<void()>& tell) { tell(); });
  });
  const auto session = ReadSession(**store, request.session_id, sessions);
  if (absl::IsDataLoss(session.status())) {
    return Damaged(held.path(), session.status());
  }
  if (!session.ok()) return session.status();
  return WriteSession(**session, request);
}

}  // namespace

absl::StatusOr<ExportedSession> ExportSession(const DataDir& held,
                                              const SessionExport& request) {
  if (absl::Status s = CheckIsFree(request); !s.ok()) return s;
  return CatchOutOfMemory([&] { return Export(held, request); });
}

}  // namespace backprop
